"""What a run would be on the chip: its time, energy, traffic, and place."""

from dataclasses import dataclass

from .links import Traffic
from .mapper import Mapping
from .profile import BrainScaleS2


@dataclass(frozen=True)
class HardwareReport:
    """A run in terms of the chip: `seconds` and `joules` are those of the hardware.

    `buses` and `outputs` count events offered and dropped, and the time that events waited.
    """

    profile: BrainScaleS2
    seconds: float
    buses: Traffic
    outputs: Traffic
    mapping: Mapping

    @property
    def joules(self):
        """Energy of the chip: power times time."""
        return self.profile.power * self.seconds

    @property
    def dropped(self):
        """Events dropped anywhere."""
        return self.buses.dropped + self.outputs.dropped

    def __str__(self):
        lines = [f"BrainScaleS-2, chip {self.profile.chip_seed}: {self.seconds * 1e6:.3f} us on the chip "
                 f"({self.seconds * self.profile.acceleration * 1e3:.3f} ms biological), {self.joules * 1e6:.3f} uJ"]
        for name, traffic in (("event buses", self.buses), ("neuron outputs", self.outputs)):
            kept = max(traffic.offered - traffic.dropped, 1)
            lines.append(f"{name}: {traffic.offered:,} events, {traffic.dropped:,} dropped, mean wait "
                         f"{traffic.delay / kept * 1e9:.1f} ns")
        return "\n".join([*lines, self.mapping.table()])
