"""Classify a test set event by event with the engine, which knows nothing of the training, and compare it with the kernels."""

from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError, unknown_name
from .evaluate_asnn import evaluate_asnn
from .registry import evaluator

BLOCK = 250  # samples whose runs are kept at a time
TAU_SYN, WINDOW = 6e-3, 8.0  # s; time per sample in tau_syn
TOLERANCE = 1e-12  # of spike times, in tau_syn, times 1 + 1 / V'


@dataclass
class Classified:
    """A test set as the engine saw it, one entry per sample.

    `decisions` is the class of the earliest output spike, -1 without one, `latencies` its time in s, inf without one.
    `spikes` and `synaptic_events` count all populations and projections, `joules` is the energy of the window.
    `difference` is the largest disagreement with the training kernels in tau_syn, inf if only one of them has a spike;
    `excess` the same in units of 1e-12 (1 + 1 / V') plus what a spike inherits from its inputs. `runs` are those of the
    samples that were asked for.
    """

    decisions: np.ndarray
    latencies: np.ndarray
    spikes: np.ndarray
    synaptic_events: np.ndarray
    joules: np.ndarray
    difference: float
    excess: float
    runs: list


def first_spikes(run, population):
    """Time of the first spike of every neuron of `population` in s, inf without one."""
    spikes = run.spikes[population]
    first = np.full(run.populations[population], np.inf)
    np.minimum.at(first, spikes.neurons, spikes.times)
    return first


def disagreement(engine, kernels, window):
    """How far two arrays of first spikes up to `window` are apart, element by element; inf if a spike is in one of them only.

    >>> disagreement(np.array([1.0, np.inf]), np.array([1.5, 9.0]), 8.0)
    array([0.5, 0. ])
    """
    kernels = np.where(kernels <= window, kernels, np.inf)
    both = np.isfinite(engine) & np.isfinite(kernels)
    away = np.zeros(kernels.shape)
    away[both] = np.abs(engine[both] - kernels[both])
    return np.where(np.isfinite(engine) != np.isfinite(kernels), np.inf, away)


def inherited(network, record, layer, below):
    """By how much spikes of `layer` [n, m] may differ, to first order, if its inputs differ by `below` [n, n_in].

    A flat crossing magnifies rounding, and what comes after it inherits that.
    """
    weights, delays = network.weights[layer], network.delays[layer]
    start, n = int(network.fan_in[:layer].sum()), int(network.fan_in[layer])
    times, c = record[:, start:start + n], 1.0 / network.tau_ratio
    out, speed = network.layers(record)[layer], network.speeds(record)[layer]
    total = np.zeros(out.shape)
    for k in np.flatnonzero(below.any(axis=1)):
        lag = 0.0 if delays is None else (delays[1][:, None] if delays[0] == "axonal" else delays[1])
        with np.errstate(invalid="ignore"):
            gap = out[k] - (times[k][:, None] + lag)
        gap = np.where(np.isfinite(gap) & (gap > 0.0), gap, 0.0)
        slow, fast = np.exp(-c * gap), np.exp(-gap)
        slope = (1.0 - gap) * fast if c == 1.0 else (fast - c * slow) / (1.0 - c)
        slope = np.where(gap > 0.0, np.abs(weights * slope), 0.0)
        moved = np.nan_to_num(below[k], posinf=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            total[k, :] = np.where(np.isfinite(out[k]), moved @ slope[:moved.size] / speed[k], 0.0)
    return total


def classify(network, times, *, tau_syn=TAU_SYN, window=WINDOW, jobs=0, seed=0, scheduler="auto", profile="loihi", keep=0,
             progress=False):
    """Classify inputs `times` [n, n_in] (tau_syn) with the event engine; returns `Classified`, with the first `keep` runs."""
    import eventsnn as es

    from ..energy import load_profile
    from ..progress import over

    profile, built, names = load_profile(profile), network.to_network(tau_syn), network.layer_names()
    found = Classified(*(np.empty(len(times), kind) for kind in (np.int64, float, np.int64, np.int64, float)), 0.0, 0.0, [])
    blocks = range(0, len(times), BLOCK)
    for start in over(blocks, len(blocks), progress):
        part = slice(start, min(start + BLOCK, len(times)))
        runs = es.simulate_batch(built, [network.encode_spikes(row, tau_syn) for row in times[part]], until=window * tau_syn,
                                 jobs=jobs, seed=seed, scheduler=scheduler)
        record = network.fill(network.record(times[part]))
        below = np.zeros((len(record), network.n_in))
        for k, (name, layer, speed) in enumerate(zip(names, network.layers(record), network.speeds(record))):
            fired = np.stack([first_spikes(run, name) for run in runs])
            away = disagreement(fired / tau_syn, layer, window)
            with np.errstate(divide="ignore"):
                allowed = TOLERANCE * (1.0 + np.where(speed > 0.0, 1.0 / speed, 0.0)) + inherited(network, record, k, below)
            found.difference = max(found.difference, float(away.max()))
            found.excess = max(found.excess, float((away / allowed).max()))
            below = away
        found.latencies[part] = fired.min(axis=1)
        found.decisions[part] = np.where(np.isfinite(found.latencies[part]), fired.argmin(axis=1), -1)
        found.spikes[part] = [run.counts.spikes.total for run in runs]
        found.synaptic_events[part] = [run.counts.synaptic_events.total for run in runs]
        found.joules[part] = [run.energy(profile).total for run in runs]
        found.runs += runs[:max(keep - start, 0)]
    return found


def on_chip(network, times, labels, hardware, *, tau_syn=TAU_SYN, window=WINDOW, jobs=0, scheduler="auto", progress=False):
    """Classify inputs `times` [n, n_in] (tau_syn) with the event engine on a chip; a summary dict in hardware time.

    One chip; what varies from run to run is drawn anew for every block of 250 samples (thresholds) and every sample (jitter).
    """
    from ..hardware.batch import run_batch
    from ..progress import over

    built, n = network.to_network(tau_syn), len(times)
    latency, decisions, dropped, spikes, events = np.full(n, np.inf), np.full(n, -1), 0, 0, 0
    blocks = range(0, n, BLOCK)
    for start in over(blocks, len(blocks), progress):
        part = slice(start, min(start + BLOCK, n))
        runs = run_batch(built, [network.encode_spikes(row, tau_syn) for row in times[part]], window * tau_syn, hardware,
                         seed=start // BLOCK, jobs=jobs, scheduler=scheduler)
        fired = np.stack([first_spikes(run, "output") for run in runs])
        latency[part] = fired.min(axis=1)
        decisions[part] = np.where(np.isfinite(latency[part]), fired.argmin(axis=1), -1)
        dropped += sum(run.hardware.dropped for run in runs)
        spikes += sum(run.counts.spikes.total for run in runs)
        events += sum(run.counts.synaptic_events.total for run in runs)
    seconds = window * tau_syn / hardware.acceleration
    decided = latency[np.isfinite(latency)] / hardware.acceleration
    return {
        "hardware": "brainscales2", "chip_seed": hardware.chip_seed, "accuracy": float(np.mean(decisions == labels)),
        "undecided": int(n - decided.size), "energy_j_per_sample": hardware.power * seconds,
        "window_s": seconds, "window_biological_s": window * tau_syn, "images_per_hardware_second": 1.0 / seconds,
        "latency_s_mean": float(decided.mean()) if decided.size else float("nan"),
        "latency_s_p95": float(np.quantile(decided, 0.95)) if decided.size else float("nan"),
        "events_dropped": int(dropped), "spikes_per_sample": spikes / n, "synaptic_events_per_sample": events / n,
    }


def chip_of(facts, chip_seed=None):
    """The `BrainScaleS2` that a model was made for, or the default one; `chip_seed` makes it another chip of the kind."""
    from ..hardware.profile import BrainScaleS2

    values = dict(facts.get("hardware") or {})
    if chip_seed is not None:
        values["chip_seed"] = chip_seed
    return BrainScaleS2(**values)


def evaluate(name, scheduler="auto", limit=None, jobs=0, profile="loihi", progress=False, hardware=None, chip_seed=None):
    """Rerun the test set of a model (shipped name or file) through the event engine; returns a summary dict.

    A plain network is converted first, see `evaluate_asnn`; kinds of files in `registry.EVALUATORS` go to the module named there.
    `hardware` "brainscales2": on the chip that the model was trained on, or on chip `chip_seed`.

    `limit`: only so many samples. Raises `ParameterError` for a limit below 1, and as `load_model` and `data_of` do.
    """
    from ..conversion.files import is_plain
    from ..learn.models import load_model
    from ..learn.recipes import data_of

    other = evaluator(name)
    if other is not None:
        if hardware is not None or chip_seed is not None:
            raise ParameterError(f"hardware must be None for {name!r}, which is not a first-spike network; got {hardware!r}")
        return other.evaluate(name, scheduler, limit, jobs, profile, progress)
    if is_plain(name):
        if hardware is not None or chip_seed is not None:
            raise ParameterError(f"hardware must be None for {name!r}, a network to be converted; got {hardware!r}")
        return evaluate_asnn(name, scheduler, limit, jobs, profile, progress)
    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    if hardware not in (None, "brainscales2"):
        raise unknown_name("hardware", hardware, ["brainscales2"])
    if hardware is None and chip_seed is not None:
        raise ParameterError(f"chip_seed needs hardware, got chip_seed {chip_seed!r} without it")
    network, facts = load_model(name)
    times, labels = (part[:limit] for part in data_of(facts["encoding"], ("test",))["test"])
    if hardware is not None:
        found = on_chip(network, times, labels, chip_of(facts, chip_seed), jobs=jobs, scheduler=scheduler, progress=progress)
        head = {"model": str(name), "layers": [network.n_in, *network.fan_out.tolist()], "n_test": int(labels.size)}
        return head | found
    found = classify(network, times, jobs=jobs, scheduler=scheduler, profile=profile, progress=progress)
    decided = found.latencies[np.isfinite(found.latencies)] / TAU_SYN
    kernels = float(np.mean(network.predict(times) == labels))
    return {
        "model": str(name),
        "layers": [network.n_in, *network.fan_out.tolist()],
        "n_test": int(labels.size),
        "scheduler": scheduler,
        "accuracy": float(np.mean(found.decisions == labels)),
        "accuracy_kernels": kernels,
        "undecided": int(labels.size - decided.size),
        "spikes_per_sample": float(found.spikes.mean()),
        "latency_tau_syn_mean": float(decided.mean()) if decided.size else float("nan"),
        "latency_tau_syn_p95": float(np.quantile(decided, 0.95)) if decided.size else float("nan"),
        "synaptic_events_per_sample": float(found.synaptic_events.mean()),
        "energy_j_per_sample": float(found.joules.mean()),
        "energy_profile": profile,
        "max_time_difference_tau_syn": found.difference,
        "times_agree": bool(found.excess <= 1.0),
    }
