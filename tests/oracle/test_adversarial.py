"""Constructed hard cases: every scheduler against the multi-precision oracle, and against each other bit for bit."""

import numpy as np
import pytest

import eventsnn as es

from . import adversarial, exact_neuron, networks

QUICK = 400
SLOW_CHUNK = 400
SLOW_CHUNKS = 26  # 10,400 cases


def exact_solutions(cases):
    return [exact_neuron.simulate(case.model, case.arrivals, case.until) for case in cases]


def compare(cases, exact, mixed):
    """Run `cases` with every scheduler; all must agree bit for bit, and one is compared with the oracle."""
    verdict = networks.Verdict()
    for batch in networks.build(cases, mixed):
        runs = {s: es.simulate(batch.net, batch.inputs, until=batch.until, scheduler=s, progress=False)
                for s in networks.SCHEDULERS}
        trains = {s: networks.spike_trains(batch, run) for s, run in runs.items()}
        for number, times in trains["reference"].items():
            for s in networks.SCHEDULERS[1:]:
                if not np.array_equal(times, trains[s][number]):
                    verdict.failures.append(f"case {number} ({cases[number].kind}): reference {list(times)}, {s} "
                                            f"{list(trains[s][number])}; {cases[number]}")
            networks.judge(verdict, number, cases[number], exact[number], times)
        for s in networks.SCHEDULERS[1:]:
            assert runs[s].counts == runs["reference"].counts, f"counts of {s} differ from those of reference"
    return verdict


def require(cases, mixed):
    verdict = compare(cases, exact_solutions(cases), mixed)
    assert not verdict.failures, verdict.report()
    assert verdict.undecidable <= 0.01 * len(cases), verdict.report()
    assert verdict.spikes > len(cases) / 2


@pytest.mark.parametrize("mixed", [False, True], ids=["uniform", "mixed"])
def test_hard_cases(mixed):
    require(adversarial.cases(QUICK, seed=1 + mixed), mixed)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(SLOW_CHUNKS))
def test_hard_cases_full(chunk):
    require(adversarial.cases(SLOW_CHUNK, seed=1000 + chunk), mixed=chunk % 3 == 2)


def test_the_cases_are_hard_and_reproducible():
    cases = adversarial.cases(60, seed=5)
    again = adversarial.cases(40, seed=5)
    assert cases[:40] == again
    assert {case.kind for case in cases} == {g.__name__ for g in adversarial.GENERATORS}
    margins = [exact_neuron.simulate(c.model, c.arrivals, c.until).margin for c in cases if c.kind == "grazing"]
    assert min(margins) < 1e-6
