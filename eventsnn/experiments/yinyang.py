"""Yin-Yang by first spikes: learn with exact gradients, then classify event by event with the engine.

A network with one hidden layer learns which output neuron must spike first (`learn.fast_and_deep`). The test samples
are then simulated by the general engine, which knows nothing of that training: accuracy, latency, events and energy
are those of the engine, and its spike times are compared with those of the training kernels.
"""

import sys
from time import perf_counter

import numpy as np

from ..errors import FormatError, ParameterError
from .beside import compiling
from .config import Setting, cores
from .evaluate import classify

SETTINGS = {
    "epochs": Setting(int, "passes over the 5000 training samples", least=1),
    "seeds": Setting(int, "networks to train, with seeds seed, seed + 1, ...", least=1),
    "hidden": Setting(int, "hidden neurons", least=1),
    "batch": Setting(int, "samples per step of learning", least=1),
    "rate": Setting(float, "learning rate of Adam", above=0.0),
    "tau_syn": Setting(float, "synaptic and membrane time constant, s", above=0.0),
    "window": Setting(float, "time per sample, tau_syn; a later output spike does not count", above=0.0),
}
AGREEMENT = 1e-12  # of the spike times of engine and training kernels, tau_syn


def run(settings, out, progress=False):
    """Train and classify; write run.h5, figures and, until done, checkpoints to `out`; return the summary as a dict.

    An interrupted run goes on from its checkpoints and gives the same result.
    """
    from ..data.yin_yang import yin_yang_splits

    samples, labels = yin_yang_splits()["test"]
    networks, tests, checkpoints, spent = [], [], [], {"train_s": 0.0, "classify_s": 0.0}
    for seed in range(settings["seed"], settings["seed"] + settings["seeds"]):
        checkpoints.append(out / f"checkpoint-seed{seed}.npz")
        started = perf_counter()
        with compiling():
            networks.append(learn(settings, seed, checkpoints[-1], progress))
        taught = perf_counter()
        tests.append(classify_points(networks[-1].network, samples, settings))
        spent["train_s"] += taught - started
        spent["classify_s"] += perf_counter() - taught
    draw(networks[0], tests[0], samples, labels, out)
    for path in checkpoints:
        path.unlink(missing_ok=True)
    validation = [trained.validation_accuracy for trained in networks]
    return summarise(tests, labels, settings) | {"validation_accuracy_per_seed": validation} | spent


def learn(settings, seed, checkpoint, progress=False):
    """Train the network of `seed`, going on from the file `checkpoint` if it belongs to the same settings."""
    from ..learn.fast_and_deep import Config, train
    config = Config(
        hidden=(settings["hidden"],),
        epochs=settings["epochs"],
        batch=settings["batch"],
        rate=settings["rate"],
        threads=settings["threads"] or cores(),
        seed=seed,
    )
    options = {"progress": progress, "checkpoint": checkpoint}
    if checkpoint.exists():
        try:
            return train(config, resume=checkpoint, **options)
        except (FormatError, ParameterError):
            print(f"{checkpoint.name} belongs to other settings: training from the start", file=sys.stderr)
    return train(config, **options)


def classify_points(network, samples, settings):
    """`Classified` of `samples` [n, 4], with all runs."""
    from ..data.yin_yang import to_spike_times

    return classify(network, to_spike_times(samples), tau_syn=settings["tau_syn"], window=settings["window"],
                    jobs=settings["threads"], seed=settings["seed"], profile=settings["energy_profile"], keep=len(samples))


def summarise(tests, labels, settings):
    """The keys of the summary, over the `Classified` of all seeds; `labels` [n] are the true classes."""
    from ..energy import load_profile

    def pooled(key):
        return np.concatenate([getattr(test, key) for test in tests])

    accuracies = [float(np.mean(test.decisions == labels)) for test in tests]
    latencies = pooled("latencies")
    decided = latencies[np.isfinite(latencies)]
    difference = max(test.difference for test in tests)
    return {
        "accuracy": float(np.mean(accuracies)),
        "accuracy_per_seed": accuracies,
        "n_test": labels.size,
        "undecided": int(latencies.size - decided.size),
        "spikes": int(pooled("spikes").sum()),
        "synaptic_events": int(pooled("synaptic_events").sum()),
        "spikes_per_sample": float(pooled("spikes").mean()),
        "synaptic_events_per_sample": float(pooled("synaptic_events").mean()),
        "latency_s_mean": float(decided.mean()) if decided.size else float("nan"),
        "latency_s_p95": float(np.quantile(decided, 0.95)) if decided.size else float("nan"),
        "energy_j_per_sample": float(pooled("joules").mean()),
        "energy_profile": load_profile(settings["energy_profile"]).name,
        "window_s": settings["window"] * settings["tau_syn"],
        "tau_syn_s": settings["tau_syn"],
        "hidden": settings["hidden"],
        "epochs": settings["epochs"],
        "max_time_difference_tau_syn": difference,
        "times_agree": bool(difference <= AGREEMENT),
    }


def draw(trained, found, samples, labels, out):
    """Write decision_map.png, learning_curve.png, raster.png (a sample of each class) and run.h5 (the first of them).

    The samples shown are the first of each class that are classified rightly, where there is one.
    """
    from ..data.yin_yang import to_spike_times
    from ..report.plots import plot_decision_map, plot_learning_curve, plot_raster

    def predict(points):
        return trained.network.predict(to_spike_times(points))

    curve = trained.curve
    history = {
        "epoch": 1 + np.arange(len(curve["loss"])),
        "train_loss": curve["loss"],
        "validation_accuracy": curve["validation_accuracy"],
        "silent_hidden": curve["silent"],
    }
    plot_decision_map(predict, samples, labels, out / "decision_map.png")
    plot_learning_curve(history, out / "learning_curve.png")
    shown = []
    for label in np.unique(labels):
        right = np.flatnonzero((labels == label) & (found.decisions == label))
        shown.append(found.runs[right[0] if right.size else np.flatnonzero(labels == label)[0]])
    shown[0].save(out / "run.h5")
    plot_raster(one_after_another(shown), out / "raster.png")


def one_after_another(runs):
    """Several runs of one network as a single one, each starting where the one before it ends."""
    from ..run import Run
    from ..types import Counts, Spikes, Tally

    starts = np.cumsum([0.0, *(run.duration for run in runs)])

    def total(kind, part):
        tallies = [getattr(run.counts, part) for run in runs]
        return Tally(kind, {name: sum(tally.get(name, 0) for tally in tallies) for name in tallies[0]})

    spikes = {}
    for name in runs[0].spikes:
        parts = [run.spikes[name] for run in runs]
        times = np.concatenate([part.times + start for part, start in zip(parts, starts)])
        spikes[name] = Spikes(times, np.concatenate([part.neurons for part in parts]))
    return Run(
        spikes=spikes,
        counts=Counts(
            total("population", "spikes"), total("projection", "synaptic_events"), total("population", "neuron_updates")
        ),
        duration=starts[-1],
        populations=runs[0].populations,
    )


def training_step():
    """Compile the kernels of learning: two steps of a tiny network."""
    from ..data.yin_yang import to_spike_times, yin_yang
    from ..learn.fast_and_deep import Config, train

    samples, labels = yin_yang(16, seed=1)
    tiny = to_spike_times(samples), labels
    train(Config(hidden=(4,), epochs=1, batch=8), data={"train": tiny, "validation": tiny}, progress=False)
