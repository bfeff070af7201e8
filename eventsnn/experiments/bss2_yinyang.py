"""Yin-Yang on BrainScaleS-2: networks trained with the chip in the loop, tested on it, without it, and on another chip."""

from . import bss2
from .config import Setting

TASKS = {"wide": "yinyang-bss2", "narrow": "yinyang-bss2-weights", "narrow-delays": "yinyang-bss2-delays"}
SETTINGS = bss2.SETTINGS | {
    "network": Setting(str, "120 hidden neurons, 30, or 30 with learned delays", choices=tuple(TASKS))}


def run(settings, out, progress=False):
    """Train and test; write chips.csv, figures and the best model to the folder `out`; return the summary."""
    return bss2.run_task(TASKS[settings["network"]], settings, out, progress)
