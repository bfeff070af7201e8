"""16 x 16 MNIST on BrainScaleS-2: networks trained with the chip in the loop, tested on it, without it, and on another chip."""

from . import bss2

SETTINGS = bss2.SETTINGS


def run(settings, out, progress=False):
    """Train and test; write chips.csv, figures and the best model to the folder `out`; return the summary."""
    return bss2.run_task("mnist16-bss2", settings, out, progress)
