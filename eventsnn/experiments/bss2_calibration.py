"""Calibration of a virtual BrainScaleS-2 chip: measure its neurons by experiments, correct them, show the spread left."""

import csv

from .config import Setting

SETTINGS = {
    "n": Setting(int, "neurons", least=1),
    "spread": Setting(float, "relative spread of time constants before, twice that of thresholds", least=0.0, most=0.5),
    "read_noise": Setting(float, "noise of one reading of a membrane, in thresholds", least=0.0, most=0.5),
    "rounds": Setting(int, "how often to measure and correct", least=1),
}


def run(settings, out, progress=False):
    """Calibrate; write calibration.csv and calibration.png to the folder `out`; return the summary."""
    from ..hardware.calibration import QUANTITIES, calibrate
    from ..hardware.profile import BrainScaleS2
    from ..io import atomic_path
    from ..report.bss2 import plot_calibration

    s = settings
    hardware = BrainScaleS2(chip_seed=s["seed"])
    found = calibrate(hardware, s["n"], spread=s["spread"], read_noise=s["read_noise"], rounds=s["rounds"])
    with atomic_path(out / "calibration.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["neuron", *(f"{name} {when}" for name in QUANTITIES for when in ("before", "after", "code"))])
        columns = [part[name] for name in QUANTITIES for part in (found.before, found.after, found.codes)]
        writer.writerows([k, *row] for k, row in enumerate(zip(*(column.tolist() for column in columns))))
    plot_calibration(found, out / "calibration.png")
    summary = {"n": s["n"], "rounds": s["rounds"]}
    for name, (mean, spread, mean_after, spread_after) in found.spreads().items():
        summary |= {f"{name}_mean_before": mean, f"{name}_spread_before": spread, f"{name}_mean_after": mean_after,
                    f"{name}_spread_after": spread_after}
    return summary
