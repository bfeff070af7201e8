"""Yin-Yang on BrainScaleS-2: networks trained with the chip in the loop, tested on it, without it, and on another chip."""

from . import bss2
from .config import Setting

TASKS = {"120": "yinyang-bss2", "30": "yinyang-bss2-weights", "30-delays": "yinyang-bss2-delays"}
SETTINGS = bss2.SETTINGS | {
    "network": Setting(str, "hidden neurons, and whether inputs and hidden neurons learn delays", choices=tuple(TASKS))}


def run(settings, out, progress=False):
    """Train and test; write chips.csv, figures and the best model to the folder `out`; return the summary."""
    return bss2.run_task(TASKS[settings["network"]], settings, out, progress)
