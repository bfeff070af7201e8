"""Calibration of virtual chips: what is measured is what is there, and what is left is what resolution and noise allow."""

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import ParameterError
from eventsnn.experiments import run_experiment
from eventsnn.hardware.calibration import QUANTITIES, VirtualChip, calibrate, measure

CHIP = es.BrainScaleS2(chip_seed=5)


def test_without_noise_measurements_are_true():
    chip = VirtualChip(CHIP, 60, 6e-3, 4e-3, 20.0, spread=0.2, read_noise=0.0)
    found, true = measure(chip), chip.actual()
    assert np.abs(found["tau_mem"] / true["tau_mem"] - 1.0).max() < 1e-9
    assert np.abs(found["tau_syn"] / true["tau_syn"] - 1.0).max() < 0.005  # the grid of candidates
    assert np.abs(found["threshold"] / true["threshold"] - 1.0).max() < 0.015  # nine halvings


def test_calibration_leaves_what_noise_and_resolution_leave():
    found = {noise: calibrate(CHIP, 128, spread=0.2, read_noise=noise).spreads() for noise in (0.0, 0.01, 0.03)}
    for name in QUANTITIES:
        assert found[0.0][name][1] > 0.07 and found[0.0][name][3] < 0.01
        assert abs(found[0.01][name][2] - 1.0) < 0.02
    for name in ("tau_mem", "tau_syn"):  # proportional to the noise of a reading
        assert 2.0 < found[0.03][name][3] / found[0.01][name][3] < 4.5


def test_codes_stay_in_range_and_chips_differ():
    one, two = calibrate(CHIP, 40), calibrate(CHIP.but(chip_seed=6), 40)
    assert np.array_equal(one.before["tau_mem"], calibrate(CHIP, 40).before["tau_mem"])
    assert not np.array_equal(one.before["tau_mem"], two.before["tau_mem"])
    for codes in one.codes.values():
        assert codes.min() >= 1 and codes.max() <= 1023
    profile = one.apply(CHIP)
    assert profile.tau_mem_spread == pytest.approx(one.after["tau_mem"].std()) and profile.chip_seed == 5


def test_the_experiment_writes_its_files(tmp_path):
    found = run_experiment("bss2-calibration", {"preset": "quick"}, tmp_path / "here")
    assert found["tau_mem_spread_after"] < 0.1 * found["tau_mem_spread_before"]
    assert len((tmp_path / "here" / "calibration.csv").read_text().splitlines()) == 65
    assert (tmp_path / "here" / "calibration.png").stat().st_size > 5000


@pytest.mark.parametrize("change, name", [({"spread": 1.0}, "spread"), ({"read_noise": -0.1}, "read_noise"),
                                          ({"rounds": 0}, "rounds"), ({"n": 0}, "n of calibrate")])
def test_bad_values_are_named(change, name):
    with pytest.raises(ParameterError, match=name):
        calibrate(CHIP, **({"n": 4} | change))
