"""What is known of the BrainScaleS-2 chip, as numbers with sources, and what of it a simulation takes into account."""

import math
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources

from ..errors import ParameterError, unknown_name

WHOLE = ("buses", "bus_depth", "output_depth", "neuron_circuits", "circuits_per_output", "rows", "weight_levels",
         "input_replication", "chip_seed")
POSITIVE = ("acceleration", "buses", "neuron_circuits", "circuits_per_output", "rows", "threshold_codes", "input_replication",
            "gain")
EVEN = ("neuron_circuits", "rows")  # halves of the chip, signs of an input


@cache
def _table():
    return tomllib.loads((resources.files(__package__) / "brainscales2.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, init=False)
class BrainScaleS2:
    """The BrainScaleS-2 chip: pass it as `hardware=` to `simulate`, `simulate_batch`, `Simulation`.

    preset : "default"; "ideal" (no noise, no delays; the network must still fit); "delgrad" (thresholds and jitter only: the
        published hardware-aware model); "yinyang" (every input on five rows); "mnist" (stronger synapses); "hxtorch" (as
        "ideal": the mock of hxtorch.spiking; `gain` and `membrane_noise` are its free parameters, `hardware.mac` its product)
    changes : fields that differ from the preset, in hardware time; `sources` says of each what it is, where its number comes
        from and how sure that is. `chip_seed` is the chip: everything fixed about it follows from this number.

    Raises `UnknownNameError` for another preset or field, `ParameterError` naming field, value and what is allowed.

    >>> BrainScaleS2("ideal").ideal
    True
    >>> BrainScaleS2("yinyang", chip_seed=3).input_replication
    5
    """

    acceleration: float
    time_step: float
    latency: float
    bus_period: float
    buses: int
    bus_depth: int
    output_period: float
    output_depth: int
    neuron_circuits: int
    circuits_per_output: int
    rows: int
    refractory_clock: float
    weight_levels: int
    threshold_codes: float
    input_replication: int
    threshold_shift: float
    threshold_spread: float
    threshold_noise: float
    leak_spread: float
    tau_mem_spread: float
    tau_syn_spread: float
    gain: float
    gain_spread: float
    jitter: float
    membrane_noise: float
    power: float
    chip_seed: int = 0

    def __init__(self, preset="default", **changes):
        table = _table()
        if preset not in table["presets"]:
            raise unknown_name("preset of BrainScaleS2", preset, table["presets"])
        known = [field.name for field in fields(self)]
        for key in changes:
            if key not in known:
                raise unknown_name("field of BrainScaleS2", key, known)
        values = {key: entry["value"] for key, entry in table["values"].items()}
        values |= {"chip_seed": 0} | table["presets"][preset] | changes
        for name in known:
            self._check(name, values[name])
            object.__setattr__(self, name, int(values[name]) if name in WHOLE else float(values[name]))

    @staticmethod
    def _check(name, value):
        low = 0.0 if name != "threshold_shift" else -1.0
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or (name in WHOLE and value != int(value)) or not (value > low if name in POSITIVE else value >= low):
            kind = "a whole number" if name in WHOLE else "finite and"
            raise ParameterError(f"{name} of BrainScaleS2 must be {kind} {'>' if name in POSITIVE else '>='} {low:g}, "
                                 f"got {value!r}")
        if name in EVEN and value % 2:
            raise ParameterError(f"{name} of BrainScaleS2 must be even, got {value!r}")

    @staticmethod
    def sources():
        """{field: (what it is, source, confidence)} of every number."""
        return {key: (entry["about"], entry["source"], entry["confidence"]) for key, entry in _table()["values"].items()}

    def but(self, **changes):
        """A copy with some fields changed."""
        return type(self)(**({field.name: getattr(self, field.name) for field in fields(self)} | changes))

    def simulation(self, begin, net, inputs, seed, options):
        """What the engine asks of hardware: a simulation of `net` on it; `begin` makes one without hardware."""
        from .chip import ChipSimulation

        return ChipSimulation(begin, net, inputs, self, seed, options)

    def first_spike_chip(self, network):
        """What training asks of hardware: a `FirstSpikeNetwork` on this chip."""
        from .first_spike import FirstSpikeChip

        return FirstSpikeChip(network, self)

    @property
    def clear_links(self):
        """Whether events pass at once, unchanged and uncounted."""
        return not (self.time_step or self.latency or self.bus_period or self.output_period or self.jitter)

    @property
    def ideal(self):
        """Whether nothing distinguishes a run from one without hardware."""
        spreads = (self.threshold_shift, self.threshold_spread, self.threshold_noise, self.leak_spread, self.tau_mem_spread,
                   self.tau_syn_spread, self.gain_spread, self.membrane_noise, self.weight_levels, self.refractory_clock)
        return self.clear_links and self.gain == 1.0 and not any(spreads)
