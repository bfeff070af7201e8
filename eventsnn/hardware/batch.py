"""Many samples on one chip."""

import os
from concurrent.futures import ThreadPoolExecutor

from ..engine import Simulation


def run_batch(net, inputs, until, hardware, seed=0, jobs=0, scheduler="auto"):
    """Runs of `net` on the chip `hardware`, each from t = 0 with one of `inputs`, up to `until` (biological s).

    `seed` draws what is new in every batch; jitter is new in every sample. The result does not depend on `jobs`.

    >>> run_batch(net, samples, 48e-3, es.BrainScaleS2())      # doctest: +SKIP
    """
    jobs = min(jobs or os.cpu_count() or 1, len(inputs)) or 1

    def work(first):
        simulation = Simulation(net, hardware=hardware, seed=seed, scheduler=scheduler)
        found = []
        for k in range(first, len(inputs), jobs):
            simulation.reset(inputs[k], trial=k)
            found.append(simulation.run(until))
        return found

    if jobs == 1:
        return work(0)
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(work, range(jobs)))
    return [parts[k % jobs][k // jobs] for k in range(len(inputs))]
