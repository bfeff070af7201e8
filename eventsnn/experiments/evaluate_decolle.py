"""Classify a test set with a DECOLLE network in the event engine, in grid time, and compare it with the clocked model."""

import numpy as np

from ..errors import ParameterError

BLOCK = 250  # samples at a time


def evaluate(name, scheduler="auto", limit=None, jobs=0, profile="loihi", progress=False):
    """Rerun the test set of a DECOLLE network (shipped name or file), step for step as in training; returns a summary dict.

    Every sample is simulated by `simulate_batch(..., dt=1e-3)` and once more by the clocked loop in float64; samples with any
    spike that is not in both are counted in "differing". A layer decides for the class that wins most steps after the
    burn-in; "accuracy" is that of the last layer. Latency is the time from which the decision stays what it is.
    Raises `ParameterError` for a limit below 1 or a scheduler other than "auto", and as `load_decolle` and `data_of` do.
    """
    import eventsnn as es

    from ..energy import load_profile
    from ..learn.decolle.config import Config
    from ..learn.decolle.files import load_decolle
    from ..learn.decolle.inputs import TEST
    from ..learn.decolle.network import STEP
    from ..learn.decolle.recipes import data_of
    from ..progress import over

    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    if scheduler != "auto":
        raise ParameterError(f"scheduler must be 'auto' for {name!r}, which runs in grid time, got {scheduler!r}")
    network, facts = load_decolle(name)
    config, profile_of = Config(**facts["config"]), load_profile(profile)
    split = "test"
    data = data_of(facts["encoding"], config, ("test",), small=facts["small"]).get("test")
    if data is None:  # the ten gestures: there is nothing else to show
        split, data = "train", data_of(facts["encoding"], config, ("train",), small=facts["small"])["train"]
    net, steps, burn_in = network.to_network(), config.test_steps, config.burn_in
    n = min(len(data), limit or len(data))
    right, clocked_right, latency = np.zeros(len(network.stages)), np.zeros(len(network.stages)), []
    spikes = events = near = differing = 0
    joules, active = 0.0, np.zeros(len(network.stages))
    blocks = range(0, n, BLOCK)
    for start in over(blocks, len(blocks), progress):
        samples = np.arange(start, min(start + BLOCK, n))
        shown = [data.spikes(sample, steps) for sample in samples]
        runs = es.simulate_batch(net, [{"input": network.encode(one)} for one in shown], until=(steps - 1) * STEP, dt=STEP,
                                 jobs=jobs)
        clocked = network.vote(data.begin(samples, TEST, steps, False), steps, len(samples), burn_in, keep=True)
        clocked_right += (clocked.decisions == data.labels[samples]).sum(axis=1)
        for k, run in enumerate(runs):
            winners = network.winners_of(run, steps, burn_in)
            votes = (winners[:, :, None] == np.arange(network.classes)).cumsum(axis=1)
            decisions = votes.argmax(axis=2)
            right += decisions[:, -1] == data.labels[samples[k]]
            other = np.flatnonzero(decisions[-1] != decisions[-1, -1])
            latency.append((burn_in + (other[-1] + 2 if other.size else 1)) * STEP)
            own = network.spikes_of(run, steps)
            differing += any(not np.array_equal(a, b[:, k]) for a, b in zip(own, clocked.spikes))
            active += [layer.mean() for layer in own]
            spikes, events = spikes + run.counts.spikes.total, events + run.counts.synaptic_events.total
            near += run.diagnostics["near_threshold"]
            joules += run.energy(profile_of).total
    return {
        "model": str(name), "layers": [str(word) for word in network.layers], "n_test": n, "shown": split,
        "scheduler": "lattice", "dt_s": STEP, "steps": steps, "burn_in": burn_in, "accuracy": float(right[-1] / n),
        "accuracy_per_layer": (right / n).tolist(), "accuracy_clocked_per_layer": (clocked_right / n).tolist(),
        "differing": int(differing), "near_threshold": int(near), "spikes_per_step_per_layer": (active / n).tolist(),
        "spikes_per_sample": spikes / n, "synaptic_events_per_sample": events / n, "latency_s_mean": float(np.mean(latency)),
        "latency_s_p95": float(np.quantile(latency, 0.95)), "energy_j_per_sample": joules / n, "energy_profile": profile,
    }
