"""The network experiments from the command line: what they write, and how they refuse."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eventsnn.cli import app
from eventsnn.data.larval_brain import FOLDER, TABLES
from eventsnn.errors import ParameterError
from eventsnn.experiments import run_experiment
from eventsnn.experiments.config import describe, load_plan

DATA = Path(os.environ.get("EVENTSNN_DATA", "")) / FOLDER
needs_data = pytest.mark.skipif(not (DATA / TABLES[0]).is_file(), reason=f"EVENTSNN_DATA does not hold {FOLDER}")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def last_object(text):
    return json.loads(text.strip().splitlines()[-1])


@pytest.mark.parametrize("name, presets", [("microcircuit", ["full", "quick"]), ("larval-brain", ["quick", "strong"])])
def test_listed_with_presets_and_settings(name, presets):
    assert describe(name)[1] == presets
    assert all(load_plan(name, {"preset": preset}).preset == preset for preset in presets)
    result = invoke("list", name)
    assert result.exit_code == 0 and "seed" in result.stdout and ", ".join(presets) in result.stdout


def test_presets_of_the_microcircuit():
    full = load_plan("microcircuit", {"preset": "full"}).settings
    assert (full["scale"], full["k_scale"], full["until"], full["drive"]) == (1.0, 0.0, 1.0, "poisson")
    assert load_plan("microcircuit").settings["scale"] == 0.1


def test_microcircuit_runs(tmp_path):
    out = tmp_path / "m"
    sets = ["--set", "scale=0.005", "--set", "until=0.05", "--set", "presim=0.01", "--set", "drive=dc"]
    result = invoke("run", "microcircuit", *sets, "--out", out, "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    summary = last_object(result.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["experiment"] == "microcircuit" and summary["seed"] == 3 and summary["drive"] == "dc"
    assert {path.name for path in out.iterdir()} == {"run.h5", "summary.json", "raster.png", "rates.png"}


@needs_data
def test_larval_brain_runs_and_shows_a_table(tmp_path):
    out = tmp_path / "l"
    command = ["run", "larval-brain", "--set", "until=0.02", "--set", "stimulus=thermo-warm", "--out", out]
    result = invoke(*command)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert summary["stimulus"] == "thermo-warm" and summary["driven_neurons"] == 4
    assert {path.name for path in out.iterdir()} == {"run.h5", "summary.json", "spread.png", "raster.png"}


def test_larval_brain_without_data_says_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    result = invoke("run", "larval-brain", "--out", tmp_path / "l")
    assert result.exit_code == 2 and result.stdout == ""
    assert "Get Supplementary-Data-S1.zip" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, message", [
    (["microcircuit", "--set", "scale=2"], "scale of experiment 'microcircuit' is 2; it must be a finite number > 0 and <= 1"),
    (["microcircuit", "--set", "drive=ac"], "drive of experiment 'microcircuit' is 'ac'; it must be one of dc, poisson"),
    (["microcircuit", "--set", "presim=5"], "presim of experiment 'microcircuit' is 5 s; it must be below until = 2 s"),
    (["larval-brian"], "unknown experiment 'larval-brian'; did you mean 'larval-brain'?"),
    (["larval-brain", "--set", "w_syn=-1"], "w_syn of experiment 'larval-brain' is -1; it must be a finite number >= 0"),
])
def test_mistakes_are_one_line(tmp_path, arguments, message):
    result = invoke("run", *arguments, "--out", tmp_path / "x")
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


@needs_data
@pytest.mark.parametrize("change, message", [
    ("stimulus=olfactry", "did you mean 'olfactory'?"), ("inhibitory=LM", "unknown inhibitory cell type 'LM'"),
    ("synapses=ad,xx", "kind of synapse is 'xx'"),
])
def test_mistakes_that_need_the_brain(tmp_path, change, message):
    result = invoke("run", "larval-brain", "--set", change, "--out", tmp_path / "x")
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_robustness_writes_its_table_and_figure(tmp_path, monkeypatch):
    """Without distortion the model keeps its accuracy; clipped weights cost much, and training recovers part of it."""
    from eventsnn.experiments import robustness

    levels = {kind: (label, (steps[0], steps[3])) for kind, (label, steps) in robustness.LEVELS.items()}
    monkeypatch.setattr(robustness, "LEVELS", levels)
    found = run_experiment("robustness", {"chips": 1, "epochs": 3, "threads": 2}, tmp_path / "here")
    ideal = found["jitter"][0]
    assert ideal == found["missing"][0] == found["tau_spread"][0] > 0.96
    assert found["weight_clip"][1] < 0.9 and found["weight_clip_trained"][1] > found["weight_clip"][1] + 0.03
    lines = (tmp_path / "here" / "robustness.csv").read_text().splitlines()
    assert lines[0] == "distortion,level,chip,trained,accuracy" and len(lines) == 1 + 6 * 2 * 2
    assert (tmp_path / "here" / "robustness.png").stat().st_size > 10_000
    again = run_experiment("robustness", {"chips": 1, "epochs": 3, "threads": 1}, tmp_path / "again")
    assert {k: v for k, v in again.items() if k != "wall_s"} == {k: v for k, v in found.items() if k != "wall_s"}


def test_robustness_refuses_too_few_samples(tmp_path):
    with pytest.raises(ParameterError, match="samples"):
        run_experiment("robustness", {"samples": 10}, tmp_path / "here")
