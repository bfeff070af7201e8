"""Classify a test set with a trained EqSpike network: every free phase is an ordinary simulation of the event engine."""

import time

import numpy as np

from ..errors import ParameterError

BLOCK = 100  # samples whose runs are kept at a time


def readout(spikes, n_out, start):
    """[3, n_out]: number of `spikes` from `start` s on, time of the first and of the last, as the training kernels have it.

    >>> from eventsnn.types import Spikes
    >>> readout(Spikes([0.1, 0.3, 0.4], [0, 0, 0]), 1, 0.2).tolist()
    [[2.0], [0.3], [0.4]]
    """
    times, neurons = spikes.times[spikes.times >= start], spikes.neurons[spikes.times >= start]
    first, last = np.full(n_out, np.inf), np.full(n_out, -np.inf)
    np.minimum.at(first, neurons, times)
    np.maximum.at(last, neurons, times)
    return np.stack([np.bincount(neurons, minlength=n_out).astype(float), first, last])


def evaluate(name, scheduler="auto", limit=None, jobs=0, profile="loihi", progress=False):
    """Rerun the test set of an EqSpike model (shipped name or file) through the event engine; returns a summary dict.

    limit : only so many samples. Raises `ParameterError` for a limit below 1, and as `load_eqspike` and `data_of` do.
    """
    import eventsnn as es

    from ..energy import load_profile
    from ..learn.eqspike.files import load_eqspike
    from ..learn.eqspike.network import decisions, keys_of
    from ..learn.eqspike.recipes import data_of
    from ..progress import over
    from .config import cores

    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    network, facts = load_eqspike(name)
    profile = load_profile(profile)
    pixels, labels = (part[:limit] for part in data_of(facts["data"])["test"])
    until, built, keys = facts["until"], network.to_network(), keys_of(0, 0, len(labels))
    n_out, record = network.sizes[2], es.Record(spikes=["output"])
    found, spikes, events, joules = np.empty((len(labels), 3, n_out)), 0, 0, 0.0
    begun = time.perf_counter()
    for start in over(range(0, len(labels), BLOCK), -(-len(labels) // BLOCK), progress):
        part = slice(start, min(start + BLOCK, len(labels)))
        inputs = [{"input": es.Spikes(*network.events(x, key, until))} for x, key in zip(pixels[part], keys[part])]
        runs = es.simulate_batch(built, inputs, until=until, jobs=jobs, scheduler=scheduler, record=record)
        found[part] = [readout(run.spikes["output"], n_out, until / 3.0) for run in runs]
        spikes += sum(run.counts.spikes.total for run in runs)
        events += sum(run.counts.synaptic_events.total for run in runs)
        joules += sum(run.energy(profile).total for run in runs)
    seconds, n, chosen = time.perf_counter() - begun, len(labels), decisions(found)
    kernels = network.free_phases(pixels, until, threads=cores())[0]
    return {
        "model": str(name), "layers": list(network.sizes), "n_test": n, "scheduler": scheduler, "until_s": until,
        "accuracy": float(np.mean(chosen == labels)), "accuracy_kernels": float(np.mean(decisions(kernels) == labels)),
        "same_output_spike_counts": float(np.mean((kernels[:, 0] == found[:, 0]).all(axis=1))),
        "undecided": int(np.sum(chosen < 0)), "latency_s_mean": until, "spikes_per_sample": spikes / n,
        "synaptic_events_per_sample": events / n, "energy_j_per_sample": joules / n, "energy_profile": profile.name,
        "wall_s": round(seconds, 1),
    }
