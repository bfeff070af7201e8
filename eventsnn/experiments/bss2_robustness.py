"""Accuracy of a network on BrainScaleS-2 chips of growing imperfection, as loaded and as trained with the chip in the loop."""

from .robustness import SETTINGS as _SETTINGS
from .robustness import sweep, test_and_train

SETTINGS = _SETTINGS
# field of the chip -> (what its levels are, the levels)
LEVELS = {
    "jitter": ("jitter of spikes, ns", (0.0, 30.0, 60.0, 120.0, 300.0)),
    "weight_levels": ("largest weight code", (63, 31, 15, 7, 3)),
    "threshold_spread": ("relative spread of thresholds", (0.0, 0.03, 0.06, 0.1, 0.2)),
    "threshold_noise": ("spread of thresholds, run to run", (0.0, 0.0154, 0.03, 0.06, 0.1)),
    "tau_spread": ("relative spread of tau_mem and tau_syn", (0.0, 0.05, 0.1, 0.2, 0.3)),
    "gain_spread": ("relative spread of synaptic gains", (0.0, 0.05, 0.1, 0.2, 0.3)),
}


def chip_of(kind, level, chip, base):
    """The chip of one point: `base` with one field changed.

    >>> import eventsnn as es
    >>> chip_of("jitter", 30.0, 0, es.BrainScaleS2()).jitter
    3e-08
    """
    if kind == "jitter":
        return base.but(jitter=round(level * 1e-9, 15), chip_seed=chip)
    if kind == "weight_levels":  # the largest weight stays, its steps grow
        return base.but(weight_levels=level, threshold_codes=base.threshold_codes * level / base.weight_levels, chip_seed=chip)
    if kind == "tau_spread":
        return base.but(tau_mem_spread=level, tau_syn_spread=level, chip_seed=chip)
    return base.but(**{kind: level}, chip_seed=chip)


def run(settings, out, progress=False):
    """Test and train on every chip; write robustness.csv and robustness.png to `out`; return the summary."""
    from .evaluate import chip_of as chip_of_model

    def work(point, network, config, data, facts):
        hardware = chip_of(*point, chip_of_model(facts))
        return test_and_train(point, network, config, data, settings, hardware.first_spike_chip, {"hardware": hardware})

    return sweep(settings, LEVELS, out, progress, work)
