"""`Run`: everything one simulation produced."""

import math

from . import energy as _energy
from .errors import ParameterError
from .types import Counts, NamedResults, Spikes, Trace


class Run:
    """The result of a simulation.

    Attributes
    ----------
    spikes : population name -> `Spikes` (times in s, sorted by time then neuron), for every recorded population
    v : population name -> `Trace` (membrane voltage, in the user's unit), for every recorded population
    counts : `Counts`, exact and independent of the scheduler
    diagnostics : name -> number or string, what the scheduler did (not comparable between schedulers)
    duration : biological time simulated, in s
    seed : int; scheduler : str; inputs_never : int, input spikes at time inf, which were dropped
    populations : population name -> number of neurons
    hardware : what the run would be on the chip, a `hardware.report.HardwareReport`; None without hardware, and not in files

    Reading an unknown population raises `UnknownNameError` with the nearest known name. Arguments are keyword-only;
    wrong types raise `ParameterError`.

    >>> from eventsnn.types import Counts, Spikes, Tally
    >>> counts = Counts(Tally("population", {"a": 2}), Tally("projection"), Tally("population", {"a": 2}))
    >>> run = Run(spikes={"a": Spikes([0.1, 0.2], [0, 1])}, counts=counts, duration=0.5, populations={"a": 4})
    >>> run.rate("a")
    1.0
    """

    def __init__(
        self,
        *,
        spikes,
        counts,
        duration,
        populations,
        v=None,
        diagnostics=None,
        seed=0,
        scheduler="auto",
        inputs_never=0,
        hardware=None,
    ):
        if not isinstance(counts, Counts):
            raise ParameterError(f"counts of a Run must be a Counts object, got {type(counts).__name__}")
        self.spikes = _results(spikes, Spikes, "spikes")
        self.v = _results(v or {}, Trace, "v")
        self.counts = counts
        self.diagnostics = dict(diagnostics or {})
        self.duration = float(duration)
        if not self.duration >= 0.0:
            raise ParameterError(f"duration of a Run must be >= 0 s, got {duration!r}")
        self.seed = int(seed)
        self.scheduler = str(scheduler)
        self.populations = NamedResults("population", {name: int(n) for name, n in dict(populations).items()})
        self.inputs_never = int(inputs_never)
        self.hardware = hardware

    def energy(self, profile="loihi"):
        """Energy of this run on `profile` (a name, a TOML file or an `EnergyProfile`), as an `Energy`.

        ``.total`` and ``.items`` are in joules. Raises as `eventsnn.energy.energy` does.
        """
        return _energy.energy(self.counts, self.duration, profile)

    def rate(self, name):
        """Mean rate of one neuron of population `name` in Hz, from the exact counts; NaN for no neurons or no time.

        Raises `UnknownNameError` for an unknown population.
        """
        exposure = self.populations[name] * self.duration
        return self.counts.spikes.get(name, 0) / exposure if exposure > 0.0 else math.nan

    def summary(self):
        """The run in plain numbers, ready for JSON: totals, and neurons, spikes and rate of every population."""
        return {
            "duration_s": self.duration,
            "scheduler": self.scheduler,
            "seed": self.seed,
            "spikes": self.counts.spikes.total,
            "synaptic_events": self.counts.synaptic_events.total,
            "neuron_updates": self.counts.neuron_updates.total,
            "inputs_never": self.inputs_never,
            "populations": {
                name: {"neurons": n, "spikes": int(self.counts.spikes.get(name, 0)), "rate_hz": self.rate(name)}
                for name, n in self.populations.items()
            },
            "diagnostics": dict(self.diagnostics),
        }

    def save(self, path):
        """Write the run to an HDF5 file, atomically; spikes and voltages are readable as SONATA. See `io.save_run`."""
        from .io.run_file import save_run

        save_run(self, path)

    @classmethod
    def load(cls, path):
        """Read a run written by `save`, bit for bit. Raises `FormatError` if the file is damaged or of another kind."""
        from .io.run_file import read_run

        return cls(**read_run(path))

    def __repr__(self):
        lines = [f"Run of {self.duration:g} s (scheduler {self.scheduler!r}, seed {self.seed})"]
        rows = [
            (str(name), f"{n:,} neurons", f"{self.counts.spikes.get(name, 0):,} spikes", f"{self.rate(name):.3g} Hz")
            for name, n in self.populations.items()
        ]
        shown = rows[:20]
        width = [max((len(row[i]) for row in shown), default=0) for i in range(4)]
        for row in shown:
            lines.append(f"  {row[0]:<{width[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], width[1:])))
        if len(rows) > len(shown):
            lines.append(f"  ... and {len(rows) - len(shown)} more populations")
        counts = self.counts
        lines.append(
            f"  in all {counts.spikes.total:,} spikes, {counts.synaptic_events.total:,} synaptic events, "
            f"{counts.neuron_updates.total:,} neuron updates"
        )
        if self.inputs_never:
            lines.append(f"  {self.inputs_never:,} input spikes at time inf were dropped")
        return "\n".join(lines)


def _results(items, kind, what):
    for name, item in items.items():
        if not isinstance(item, kind):
            raise ParameterError(f"{what}[{name!r}] of a Run must be {kind.__name__}, got {type(item).__name__}")
    return NamedResults("population", items)
