import subprocess
import sys

import numpy as np
import pytest

from eventsnn.energy import EnergyProfile, list_profiles
from eventsnn.errors import InputError, UnknownNameError
from eventsnn.report import plot_decision_map, plot_energy, plot_learning_curve, plot_raster, plots
from eventsnn.run import Run
from eventsnn.types import Counts, Spikes, Tally

PNG = b"\x89PNG\r\n\x1a\n"


def make_run(sizes, spikes_each=5, duration=0.2):
    rng = np.random.default_rng(2)
    spikes = {
        name: Spikes(rng.uniform(0, duration, n * spikes_each), rng.integers(0, max(n, 1), n * spikes_each))
        for name, n in sizes.items()
    }
    counts = Counts(
        Tally("population", {k: len(s) for k, s in spikes.items()}),
        Tally("projection", {"a->b": 1000}),
        Tally("population", {"b": 1000}),
    )
    return Run(spikes=spikes, counts=counts, duration=duration, populations=sizes)


def words(figure):
    figure.draw_without_rendering()
    found = [t.get_text() for axis in figure.axes for t in (*axis.texts, *axis.get_yticklabels(), axis.title)]
    found += [axis.title.get_text() + axis._left_title.get_text() + axis.get_xlabel() for axis in figure.axes]
    found += [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    return " | ".join(found)


def n_points(figure):
    return sum(len(c.get_offsets()) for c in figure.axes[0].collections)


def test_raster(tmp_path):
    run = make_run({"in": 5, "hidden": 30, "silent": 0})
    figure = plot_raster(run, tmp_path / "raster.png")
    assert (tmp_path / "raster.png").read_bytes().startswith(PNG)
    assert n_points(figure) == 175
    text = words(figure)
    assert "hidden" in text and "time (ms)" in text and "neurons shown" not in text


def test_raster_of_chosen_populations_and_time():
    run = make_run({"in": 5, "hidden": 30})
    figure = plot_raster(run, populations=["hidden"], t_max=0.1)
    assert n_points(figure) == int(np.sum(run.spikes["hidden"].times <= 0.1))
    assert figure.axes[0].get_xlim() == (0.0, 100.0)
    with pytest.raises(UnknownNameError, match="did you mean 'hidden'"):
        plot_raster(run, populations=["hiden"])
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="t_max"):
            plot_raster(run, t_max=bad)
    with pytest.raises(InputError, match="populations"):
        plot_raster(run, populations=[])


def test_raster_draws_a_sample_of_large_populations_and_says_so(monkeypatch):
    run = make_run({"big": 3000, "small": 10}, spikes_each=20)
    figure = plot_raster(run)
    assert "200 of 3,000 big" in words(figure)
    ids = np.linspace(0, 2999, 200).round().astype(int)
    assert n_points(figure) == np.isin(run.spikes["big"].neurons, ids).sum() + 200
    monkeypatch.setattr(plots, "MAX_POINTS", 1000)
    figure = plot_raster(run)
    assert n_points(figure) <= 1002
    assert "one spike in" in words(figure)


def test_raster_rates_use_every_spike():
    run = make_run({"big": 2000}, spikes_each=4)
    stairs = plot_raster(run).axes[1].patches[0].get_data()
    widths = np.diff(stairs.edges) / 1e3
    assert np.sum(stairs.values * widths) * 2000 == pytest.approx(8000, rel=1e-9)


@pytest.mark.parametrize("duration", [0.0, 1e-6, 0.0321, 7.0, np.inf])
def test_raster_of_any_duration_and_without_spikes(duration):
    plot_raster(make_run({"a": 3}, spikes_each=0, duration=min(duration, 1.0))).draw_without_rendering()
    run = make_run({"a": 3}, duration=min(duration, 1e3))
    run.duration = duration
    plot_raster(run).draw_without_rendering()


def test_learning_curve(tmp_path):
    history = {
        "epoch": [1, 2, 3],
        "train_loss": [2.0, 0.5, 0.01],
        "validation_accuracy": [0.5, 0.9, float("nan")],
        "silent_hidden": [0.25, 0.1, 0.0],
    }
    figure = plot_learning_curve(history, tmp_path / "curve.svg")
    assert b"<svg" in (tmp_path / "curve.svg").read_bytes()
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "accuracy (%)", "share (%)"]
    assert "best 90.00 % in epoch 2" in words(figure)
    assert len(plot_learning_curve({"epoch": [1], "train_loss": [0.0]}).axes) == 1
    assert len(plot_learning_curve({"epoch": [], "train_loss": [], "validation_accuracy": []}).axes) == 2
    assert plot_learning_curve({"epoch": [1], "validation_accuracy": [float("nan")]}).axes


def test_learning_curve_names_what_is_wrong():
    with pytest.raises(InputError, match="'loss'"):
        plot_learning_curve({"epoch": [1], "loss": [1.0]})
    with pytest.raises(InputError, match="'train_loss'.*2 entries, 'epoch' has 1"):
        plot_learning_curve({"epoch": [1], "train_loss": [1.0, 2.0]})


def test_decision_map(tmp_path):
    asked = []

    def predict(samples):
        asked.append(samples)
        found = (samples[:, 0] > 0.5).astype(int)
        found[samples[:, 1] < 0.2] = -1
        return found

    xy = np.array([[0.4, 0.5], [0.6, 0.5], [0.6, 0.6], [0.5, 0.1]])
    samples, labels = np.concatenate([xy, 1 - xy], axis=1), np.array([0, 1, 2, 0])
    figure = plot_decision_map(predict, samples, labels, tmp_path / "map.png", resolution=50)
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    text = words(figure)
    assert "50.0 % of 4 test points right" in text and "wrong (1)" in text and "undecided (1)" in text
    grid, test = asked
    assert grid.shape[1] == 4 and np.allclose(grid[:, :2] + grid[:, 2:], 1.0)
    assert np.hypot(*(grid[:, :2] - 0.5).T).max() < 0.52 and len(grid) == pytest.approx(50**2 * np.pi / 4, rel=0.05)
    assert np.array_equal(test, samples)


def test_decision_map_all_right_or_no_points():
    xy = np.array([[0.5, 0.5]])
    assert "wrong" not in words(plot_decision_map(lambda s: np.zeros(len(s), int), xy, [0], resolution=10))
    plot_decision_map(lambda s: np.zeros(len(s), int), np.zeros((0, 4)), np.zeros(0, int), resolution=10)


def test_decision_map_names_wrong_shapes():
    with pytest.raises(InputError, match=r"\[2, 3\] and \[2\]"):
        plot_decision_map(lambda s: np.zeros(len(s)), np.zeros((2, 3)), [0, 1])
    with pytest.raises(InputError, match="one class id per sample"):
        plot_decision_map(lambda s: np.zeros(3), np.full((2, 4), 0.5), [0, 1])


def test_energy_bars(tmp_path):
    run = make_run({"a": 5, "b": 30})
    figure = plot_energy(run, [*list_profiles(), EnergyProfile("free", 0, 0, 0, 0)], tmp_path / "energy.pdf")
    assert (tmp_path / "energy.pdf").read_bytes().startswith(b"%PDF")
    text = words(figure)
    assert "loihi" in text and "static power" in text and "40 µJ" in text and "0 J" in text
    with pytest.raises(InputError, match="profiles"):
        plot_energy(run, [])


def test_unwritable_format_leaves_nothing(tmp_path):
    with pytest.raises(ValueError):
        plot_energy(make_run({"a": 2}), ["loihi"], tmp_path / "energy.xyz")
    assert list(tmp_path.iterdir()) == []


def test_no_pyplot_no_matplotlib_at_import():
    code = (
        "import sys, eventsnn.report, eventsnn.run, eventsnn.io\n"
        "assert not {'matplotlib', 'h5py', 'numba'} & set(sys.modules), sorted(sys.modules)\n"
        "eventsnn.report.plot_learning_curve({'epoch': [1], 'train_loss': [1.0]})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
