"""The command line: what it prints, what it writes, and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import eventsnn as es
from eventsnn.cli import app
from eventsnn.errors import FormatError, InputError, ParameterError, UnknownNameError
from eventsnn.experiments import experiment_names, run_experiment
from eventsnn.experiments.balanced import mean_cv, synchrony
from eventsnn.experiments.bench import bench
from eventsnn.experiments.config import Setting, load_plan, parse_override

SMALL_BALANCED = {"n": 200, "k": 20, "until": 0.1}
SMALL_YINYANG = {"epochs": 2, "hidden": 10}


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def settings(values):
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def last_object(text):
    return json.loads(text.strip().splitlines()[-1])


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, expected", [
    ("n=5", ("n", 5)), ("n = 5", ("n", 5)), ("x=1e-3", ("x", 1e-3)), ("preset=paper", ("preset", "paper")),
    ('preset="paper"', ("preset", "paper")), ("energy_profile=my/file.toml", ("energy_profile", "my/file.toml")),
    ("flag=true", ("flag", True)), ("a=b=c", ("a", "b=c")), ("a=", ("a", "")), ("a=1\nb=2", ("a", "1\nb=2")),
])
def test_overrides_are_toml_or_strings(text, expected):
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["n", "=5", ""])
def test_overrides_need_a_key_and_an_equals_sign(text):
    with pytest.raises(InputError, match="--set takes key=value"):
        parse_override(text)


def test_presets_and_overrides_apply_in_order():
    assert load_plan("yinyang").preset == "quick"
    paper = load_plan("yinyang", {"preset": "paper"})
    assert (paper.preset, paper.settings["epochs"], paper.settings["seeds"]) == ("paper", 300, 5)
    assert load_plan("yinyang", {"preset": "paper", "epochs": 3}, seed=7).settings["epochs"] == 3
    assert load_plan("yinyang", {"seed": 1}, seed=7).settings["seed"] == 7
    assert load_plan("balanced").preset == "none" and load_plan("balanced").settings["n"] == 4000
    assert load_plan("balanced", {"n": 1e3}).settings["n"] == 1000


def test_file_overrides_the_shipped_one(tmp_path):
    file = tmp_path / "mine.toml"
    tables = "[presets.tiny]\nn = 30\n[presets.paper]\nn = 60\n"
    file.write_text('experiment = "balanced"\npreset = "paper"\nk = 7\n' + tables)
    plan = load_plan(str(file))
    assert (plan.experiment, plan.preset, plan.settings["k"], plan.settings["n"]) == ("balanced", "paper", 7, 60)
    assert load_plan(file, {"preset": "tiny"}).settings["n"] == 30
    assert load_plan(file, {"preset": "quick"}).settings["until"] == load_plan("balanced", {"preset": "quick"}
                                                                               ).settings["until"]


@pytest.mark.parametrize("content, message", [
    ("k = 7", "does not say which experiment"), ("k = [", "is not valid TOML"),
    ('experiment = "balanced"\npresets = 3', "presets of experiment 'balanced' must be tables"),
    ('experiment = "balanced"\npresets.quick = 3', "presets of experiment 'balanced' must be tables"),
])
def test_damaged_files_are_refused(tmp_path, content, message):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(FormatError, match=message):
        load_plan(str(file))
    with pytest.raises(FormatError, match="cannot read .*missing.toml"):
        load_plan(str(tmp_path / "missing.toml"))


@pytest.mark.parametrize("values, error, message", [
    ({"hiden": 60}, UnknownNameError, "unknown setting 'hiden'; did you mean 'hidden'?"),
    ({"preset": "papr"}, UnknownNameError, "unknown preset 'papr'; did you mean 'paper'?"),
    ({"preset": 3}, UnknownNameError, "unknown preset 3"),
    ({"hidden": 0}, ParameterError, "hidden of experiment 'yinyang' is 0; it must be a whole number >= 1"),
    ({"hidden": 1.5}, ParameterError, "hidden of experiment 'yinyang' is 1.5"),
    ({"hidden": True}, ParameterError, "hidden of experiment 'yinyang' is True"),
    ({"hidden": "many"}, ParameterError, "hidden of experiment 'yinyang' is 'many'"),
    ({"tau_syn": 0.0}, ParameterError, "tau_syn of experiment 'yinyang' is 0.0; it must be a finite number > 0"),
    ({"tau_syn": float("nan")}, ParameterError, "tau_syn of experiment 'yinyang' is nan"),
    ({"seed": -1}, ParameterError, "seed of experiment 'yinyang' is -1"),
    ({"energy_profile": 3}, ParameterError, "energy_profile of experiment 'yinyang' is 3; it must be a string"),
])
def test_bad_settings_are_named(values, error, message):
    with pytest.raises(error) as caught:
        load_plan("yinyang", values)
    assert message in str(caught.value)


def test_setting_says_what_is_allowed():
    assert Setting(float, "x", above=0.0, most=1.0).allowed() == "a finite number > 0 and <= 1"
    assert Setting(str, "x", choices=("a", "b")).allowed() == "one of a, b"


# --- figures of merit ----------------------------------------------------------------------------------------------


def test_cv_and_synchrony_of_known_trains():
    rng = np.random.default_rng(0)
    clock = np.concatenate([np.arange(50) * 0.01, 0.003 + np.arange(50) * 0.01])
    assert mean_cv(clock, np.repeat([0, 1], 50), 2) == pytest.approx(0.0, abs=1e-9)
    poisson = rng.uniform(0.0, 1000.0, 20_000)
    neurons = rng.integers(0, 20, 20_000)
    assert mean_cv(poisson, neurons, 20) == pytest.approx(1.0, abs=0.05)
    assert synchrony(poisson, 1000.0) == pytest.approx(1.0, abs=0.05)
    assert synchrony(np.repeat(poisson[:500], 40), 1000.0) == pytest.approx(40.0, rel=0.1)
    assert np.isnan(mean_cv(np.zeros(0), np.zeros(0, int), 5)) and np.isnan(synchrony(np.zeros(0), 1.0))


# --- commands ----------------------------------------------------------------------------------------------------


def test_list_names_every_experiment():
    result = invoke("list")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in experiment_names())
    assert "paper" in result.stdout
    one = invoke("list", "balanced")
    assert "i_offset" in one.stdout and "yinyang" not in one.stdout
    assert last_object(invoke("list", "--json").stdout)["balanced"]["settings"]["n"]["default"] == 4000


def test_info_reports_versions_and_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    monkeypatch.setenv("EVENTSNN_GOLDEN", str(tmp_path / "missing"))
    found = last_object(invoke("info", "--json").stdout)
    assert found["numpy"] == np.__version__ and found["eventsnn"] == es.__version__
    assert found["data"] == str(tmp_path) and found["golden"] is None and found["cores"] >= 1
    assert "cache_dir" in invoke("info").stdout


@pytest.mark.parametrize("arguments, message", [
    (["run", "balnced"], "unknown experiment 'balnced'; did you mean 'balanced'?"),
    (["run", "balanced", "--set", "kk=3"], "unknown setting 'kk'; did you mean 'k'?"),
    (["run", "balanced", "--set", "n=0"], "n of experiment 'balanced' is 0; it must be a whole number >= 2"),
    (["run", "balanced", "--set", "n"], "--set takes key=value, got 'n'"),
    (["run", "balanced", "--seed", "-1"], "seed of experiment 'balanced' is -1"),
    (["run", "balanced", "--set", "energy_profile=lohi"], "unknown energy profile 'lohi'; did you mean 'loihi'?"),
    (["run", "missing.toml"], "cannot read missing.toml"),
    (["list", "yinyan"], "unknown experiment 'yinyan'; did you mean 'yinyang'?"),
])
def test_errors_are_one_line_on_stderr(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert message in result.stderr and result.stderr.startswith("eventsnn: ") and result.stderr.count("\n") == 1


def test_out_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    result = invoke("run", "balanced", *settings(SMALL_BALANCED), "--out", file)
    assert result.exit_code == 2 and "cannot make the folder" in result.stderr


def test_balanced_writes_its_files(tmp_path):
    out = tmp_path / "b"
    result = invoke("run", "balanced", *settings(SMALL_BALANCED), "--out", out, "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    summary = last_object(result.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["experiment"] == "balanced" and summary["seed"] == 3 and summary["n"] == 200
    assert summary["spikes"] > 0 and 0 < summary["synaptic_events"] <= summary["spikes"] * 20
    assert summary["rate_hz"] == pytest.approx(summary["spikes"] / 200 / 0.1)
    assert summary["energy_profile"] == "loihi" and summary["energy_j"] > 0 and summary["wall_s"] > 0
    assert (out / "raster.png").read_bytes()[:4] == b"\x89PNG"
    stored = es.Run.load(out / "run.h5")
    assert stored.counts.spikes.total == summary["spikes"]
    again = run_experiment("balanced", SMALL_BALANCED, out, seed=3)  # an existing folder is fine, same seed same result
    timed = {"wall_s", "compile_s", "build_s", "sim_s", "ns_per_synaptic_event"}
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in summary.items() if k not in timed}
    other = run_experiment("balanced", SMALL_BALANCED, out, seed=4)
    assert other["spikes"] != summary["spikes"]


def test_yinyang_learns_and_classifies_by_events(tmp_path):
    out = tmp_path / "y"
    result = invoke("run", "yinyang", *settings(SMALL_YINYANG), "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    summary = last_object(result.stdout)
    assert summary == json.loads((out / "summary.json").read_text())
    assert 0.2 < summary["accuracy"] <= 1.0 and summary["n_test"] == 1000
    assert summary["max_time_difference_tau_syn"] < 1e-12 and summary["times_agree"] is True
    assert 0.0 < summary["latency_s_mean"] <= summary["latency_s_p95"] < 8 * 6e-3
    assert 5.0 < summary["spikes_per_sample"] < 5 + 10 + 3 + 2 + 1e-9
    assert summary["synaptic_events_per_sample"] > summary["spikes_per_sample"]
    assert summary["energy_j_per_sample"] > 0.0 and summary["energy_profile"] == "loihi"
    for name in ("decision_map.png", "learning_curve.png", "raster.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"
    assert es.Run.load(out / "run.h5").duration == pytest.approx(8 * 6e-3)
    assert not list(out.glob("checkpoint*"))


def test_yinyang_continues_after_an_interruption(tmp_path, monkeypatch):
    from eventsnn.experiments import yinyang

    whole = run_experiment("yinyang", SMALL_YINYANG | {"seeds": 2}, tmp_path / "whole")
    out = tmp_path / "cut"
    classify = yinyang.classify
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return classify(*arguments, **options)

    monkeypatch.setattr(yinyang, "classify", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_experiment("yinyang", SMALL_YINYANG | {"seeds": 2}, out)
    assert list(out.glob("checkpoint*"))
    monkeypatch.setattr(yinyang, "classify", classify)
    continued = run_experiment("yinyang", SMALL_YINYANG | {"seeds": 2}, out)
    assert len(continued["accuracy_per_seed"]) == 2
    assert continued["accuracy"] == pytest.approx(np.mean(continued["accuracy_per_seed"]))
    timed = {"wall_s", "train_s", "classify_s", "train_samples_per_s"}
    assert {k: v for k, v in continued.items() if k not in timed} == {k: v for k, v in whole.items() if k not in timed}


def test_as_a_process_the_last_line_is_json(tmp_path):
    package = Path(es.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "eventsnn.cli", "run", "balanced", *settings(SMALL_BALANCED), "--out", "here"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout
    assert last_object(done.stdout) == json.loads((tmp_path / "here" / "summary.json").read_text())


def test_importing_the_command_line_is_cheap():
    code = "import sys, eventsnn.cli; print([m for m in ('numba', 'matplotlib', 'h5py') if m in sys.modules])"
    package = Path(es.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=package, text=True, capture_output=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("variant", ["eq", "cuba"])
def test_bench_times_every_part(variant):
    result = invoke("bench", "--n", 500, "--variant", variant, "--repeats", 2, "--json")
    assert result.exit_code == 0, result.stderr
    found = last_object(result.stdout)
    assert (found["n"], found["variant"], found["synapses"], found["repeats"]) == (500, variant, 40_000, 2)
    assert 0 < found["synaptic_events"] <= 80 * found["spikes"] and 1.0 < found["rate_hz"] < 30.0
    assert 0.0 < found["sim_s_min"] <= found["sim_s"] and found["compile_s"] + found["build_s"] < found["first_spike_s"]
    assert found["ns_per_synaptic_event"] == pytest.approx(1e9 * found["sim_s"] / found["synaptic_events"])
    assert found["synapses_per_s"] == pytest.approx(40_000 / found["build_s"])


@pytest.mark.parametrize("variant, spikes", [("eq", 27_889), ("cuba", 24_442)])
def test_bench_counts_the_spikes_of_other_exact_simulators(variant, spikes):
    assert bench(4_000, variant, repeats=1)["spikes"] == spikes


@pytest.mark.parametrize("arguments, message", [
    (("--n", 1), "n of bench must be a whole number >= 2"), (("--variant", "equal"), "variant 'equal'"),
    (("--repeats", 0), "repeats of bench"), (("--threads", -1), "threads of bench"),
])
def test_bench_refuses_what_it_cannot_time(arguments, message):
    result = invoke("bench", *arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_warmup_compiles_and_says_how_long_it_took():
    result = invoke("warmup", "--json")
    assert result.exit_code == 0, result.stderr
    seconds = last_object(result.stdout)
    assert "training step" in seconds and seconds["total"] >= 0.0


# --- training and evaluation ---------------------------------------------------------------------------------------


def test_train_writes_a_model_that_evaluate_reads(tmp_path):
    out = tmp_path / "small.h5"
    done = invoke("train", "yinyang-delays", "--out", out, "--set", "epochs=2", "--set", "hidden=[5]", "--json")
    assert done.exit_code == 0, done.output
    summary = last_object(done.stdout)
    assert summary["model"] == str(out) and len(summary["test_accuracy_per_seed"]) == 1
    done = invoke("evaluate", out, "--limit", "40", "--json")
    assert done.exit_code == 0, done.output
    found = last_object(done.stdout)
    assert found["n_test"] == 40 and found["times_agree"] and found["layers"] == [4, 5, 3]


@pytest.mark.parametrize("arguments, word", [
    (("evaluate", "yinyan"), "yinyang"), (("train", "imagenet"), "mnist"), (("train", "yinyang", "--preset", "best"), "paper"),
    (("train", "yinyang", "--set", "epoch=3"), "epochs"), (("train", "yinyang", "--set", "epochs=0"), "epochs"),
    (("train", "yinyang", "--seeds", "0"), "seeds"), (("evaluate", "yinyang", "--limit", "0"), "limit"),
    (("evaluate", "yinyang", "--profile", "abacus"), "abacus"),
    (("evaluate", "yinyang", "--scheduler", "calendar"), "calendar"),
])
def test_bad_training_arguments_are_one_line(arguments, word):
    done = invoke(*arguments)
    assert done.exit_code == 2 and word in done.output and "Traceback" not in done.output
