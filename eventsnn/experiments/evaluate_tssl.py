"""Classify a test set with a TSSL-BP network on the event engine, in grid time, and compare it spike for spike with the dense
loop."""

import numpy as np

from ..errors import ParameterError

BLOCK = 100  # samples whose runs are kept at a time


def spike_table(spikes, stage, steps):
    """The `es.Spikes` of a layer as bool [steps, neurons], in the layer's own order."""
    from ..learn.tssl_bp.network import DT, order

    found = np.zeros((steps, stage.n), bool)
    found[np.rint(spikes.times / DT).astype(np.int64), order(stage.full)[spikes.neurons]] = True
    return found


def classify(network, x, *, jobs=0, scheduler="auto", profile="loihi"):
    """Run samples `x` through the engine and the dense loop (float64); a dict of arrays, one entry per sample or layer.

    decisions, dense (its decisions), different (spikes that are in one of them only), spikes, synaptic_events, joules, near
    (steps near the threshold), spike_driven (synaptic events of layers that receive spikes, not an image); activity, silent
    [layers], spikes per step and neuron, and the share of neurons without a spike in a sample
    """
    import eventsnn as es

    from ..learn.tssl_bp.losses import filtered
    from ..learn.tssl_bp.network import DT

    steps = network.constants.steps
    dense = network.forward(x)
    net = network.to_network(x if network.static else None)
    inputs = [{"input": es.Spikes([0.0], [k]) if network.static else network.to_spikes(x[k])} for k in range(len(x))]
    runs = es.simulate_batch(net, inputs, until=(steps - 1) * DT, dt=DT, jobs=jobs, scheduler=scheduler)
    names = [f"layer{k}" for k in range(len(network.stages))]
    tables = [np.stack([spike_table(run.spikes[name], stage, steps) for run in runs])
              for name, stage in zip(names, network.stages)]
    different = sum((a != b).reshape(len(x), -1).sum(axis=1) for a, b in zip(tables, dense.spikes))
    sums = filtered(tables[-1], network.constants.tau_syn).sum(axis=1)
    return {"decisions": sums.argmax(axis=1), "dense": dense.predictions, "different": different,
            "spikes": np.array([sum(run.counts.spikes[name] for name in names) for run in runs]),
            "synaptic_events": np.array([run.counts.synaptic_events.total for run in runs]),
            "joules": np.array([run.energy(profile).total for run in runs]),
            "near": np.array([run.diagnostics["near_threshold"] for run in runs]),
            "spike_driven": np.array([sum(n for wire, n in run.counts.synaptic_events.items()
                                          if not (network.static and wire.startswith("input->"))) for run in runs]),
            "activity": np.array([table.mean() for table in tables]),
            "silent": np.array([1.0 - table.any(axis=1).mean() for table in tables])}


def dense_macs(network):
    """Multiplications and additions of a sample in layers that receive spikes, if every weight is used in every step.

    >>> from ..learn.tssl_bp.network import Constants, TSSLNetwork
    >>> dense_macs(TSSLNetwork(3, [2], [np.ones((3, 2))], Constants(steps=4), static=False))
    24
    """
    return network.constants.steps * sum(stage.fan_in * stage.n for stage in network.stages[int(network.static):])


def evaluate(name, scheduler="auto", limit=None, jobs=0, profile="loihi", progress=False):
    """Rerun the test set of a TSSL-BP model (shipped name or file) through the event engine; returns a summary dict.

    An image enters as the current it gives the first layer. `spikes_per_neuron_and_step` is the activity of every layer,
    `silent_share` the share of its neurons that do not spike at all in a sample. `macs_saved` compares the synaptic events of
    the layers that receive spikes with `dense_macs`.
    Raises `ParameterError` for a limit below 1, and as `load_tssl` and `data_of` do.
    """
    from ..energy import load_profile
    from ..learn.tssl_bp.config import Config
    from ..learn.tssl_bp.models import load_tssl
    from ..learn.tssl_bp.recipes import data_of
    from ..progress import over

    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    network, facts = load_tssl(name)
    profile = load_profile(profile)
    steps = network.constants.steps
    samples = data_of(facts["data"], ("test",), steps=steps, bin=facts.get("config", {}).get("bin", Config.bin))["test"]
    n, found = min(len(samples), limit or len(samples)), []
    blocks = range(0, n, BLOCK)
    for start in over(blocks, len(blocks), progress):
        x = samples.inputs(np.arange(start, min(start + BLOCK, n)), 0, False)
        found.append(classify(network, x, jobs=jobs, scheduler=scheduler, profile=profile))
    sizes = np.array([len(part["decisions"]) for part in found])
    joined = {key: np.concatenate([part[key] for part in found]) for key in found[0] if key not in ("activity", "silent")}
    activity, silent = (sum(size * part[key] for size, part in zip(sizes, found)) / n for key in ("activity", "silent"))
    macs = dense_macs(network)
    labels = samples.labels[:n]
    return {
        "model": str(name), "layers": [str(word) for word in network.layers], "steps": steps, "n_test": n,
        "scheduler": scheduler,
        "accuracy": float(np.mean(joined["decisions"] == labels)), "accuracy_dense": float(np.mean(joined["dense"] == labels)),
        "same_spikes": int(joined["different"].sum()) == 0, "different_spikes": int(joined["different"].sum()),
        "near_threshold": int(joined["near"].sum()), "spikes_per_neuron_and_step": activity.tolist(),
        "silent_share": silent.tolist(), "dense_macs_per_sample": macs,
        "macs_saved": macs / float(joined["spike_driven"].mean()) if joined["spike_driven"].any() else None,
        "spikes_per_sample": float(joined["spikes"].mean()),
        "synaptic_events_per_sample": float(joined["synaptic_events"].mean()),
        "energy_j_per_sample": float(joined["joules"].mean()), "energy_profile": profile.name,
    }
