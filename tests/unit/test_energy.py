import math
import tomllib
from importlib import resources

import pytest

from eventsnn.energy import FIGURES, EnergyProfile, energy, list_profiles, load_profile, si
from eventsnn.errors import FormatError, ParameterError, UnknownNameError
from eventsnn.types import Counts, Tally

VALID = 'name = "x"\ne_spike = 1e-12\ne_synop = 2e-12\ne_update = 3e-12\np_static = 0.5\n'


def make_counts(spikes=7, events=11, updates=13):
    return Counts(
        Tally("population", {"a": spikes - 3, "b": 3}),
        Tally("projection", {"a->b": events}),
        Tally("population", {"b": updates}),
    )


def profile_file(folder, text):
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_shipped_profiles_are_there():
    assert {"loihi", "truenorth", "spinnaker", "brainscales2", "cpu"} <= set(list_profiles())


@pytest.mark.parametrize("name", list_profiles())
def test_shipped_profiles_are_complete_and_state_every_source(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    for figure in (*FIGURES, "acceleration"):
        assert len(profile.sources[figure]) > 10, figure
    table = tomllib.loads((resources.files("eventsnn") / "profiles" / f"{name}.toml").read_text())
    assert profile.e_synop == table["e_synop"]
    assert any(getattr(profile, figure) > 0 for figure in FIGURES)


def test_published_figures():
    loihi = load_profile("loihi")
    assert (loihi.e_spike, loihi.e_synop, loihi.e_update) == (1.7e-12, 23.6e-12, 81e-12)
    assert load_profile("truenorth").e_synop == 26e-12
    assert load_profile("spinnaker").e_synop == 43e-9


def test_formula_and_items():
    profile = EnergyProfile("p", e_spike=1.0, e_synop=10.0, e_update=100.0, p_static=1000.0)
    result = energy(make_counts(), 2.0, profile)
    assert result.items == {"spikes": 7.0, "synaptic_events": 110.0, "neuron_updates": 1300.0, "static": 2000.0}
    assert result.total == 3417.0
    assert result.dynamic == 1417.0
    assert result.counts == {"spikes": 7, "synaptic_events": 11, "neuron_updates": 13}
    assert result.profile is profile


def test_brainscales2_draws_power_for_hardware_time_only():
    result = energy(make_counts(), 48e-3, "brainscales2")
    assert result.total == pytest.approx(0.2 * 48e-6, rel=1e-12)  # 9.6 uJ; the paper has 8.4 uJ in this window
    assert result.items["static"] == result.total
    real_time = EnergyProfile("slow", 0, 0, 0, p_static=0.2)
    assert energy(make_counts(), 48e-3, real_time).total == pytest.approx(1000 * result.total, rel=1e-12)


def test_no_counts_no_time_no_energy():
    empty = Counts(Tally("population"), Tally("projection"), Tally("population"))
    for name in list_profiles():
        assert energy(empty, 0.0, name).total == 0.0


def test_printing_names_counts_joules_and_sources():
    text = str(energy(make_counts(1000, 2_000_000, 0), 0.5, "loihi"))
    assert "2,000,000 x 23.6 pJ" in text
    assert "47.2 µJ" in text
    assert "loihi" in text and "Davies et al. 2018" in text
    assert "1000 times faster" in str(energy(make_counts(), 0.5, "brainscales2"))
    assert "no source given" in str(energy(make_counts(), 0.5, EnergyProfile("p", 1, 1, 1, 1)))


@pytest.mark.parametrize("duration", [-1.0, math.nan, math.inf])
def test_bad_durations(duration):
    with pytest.raises(ParameterError, match="duration"):
        energy(make_counts(), duration, "loihi")


def test_endless_duration_is_fine_without_static_power():
    assert energy(make_counts(), math.inf, "truenorth").total == 11 * 26e-12


def test_counts_of_another_type():
    with pytest.raises(ParameterError, match="Counts"):
        energy({"spikes": 1}, 1.0, "loihi")


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError, match=r"unknown energy profile 'lohi'; did you mean 'loihi'\?"):
        load_profile("lohi")


def test_own_file(tmp_path):
    path = profile_file(tmp_path, VALID + "acceleration = 10\n[sources]\ne_spike = 'my bench'\n")
    for given in (path, str(path)):
        profile = load_profile(given)
        assert (profile.name, profile.p_static, profile.acceleration) == ("x", 0.5, 10.0)
        assert profile.source("e_spike") == "my bench"
        assert profile.source("e_synop") == "no source given"
    assert load_profile(profile) is profile


@pytest.mark.parametrize(
    "text, parts",
    [
        (VALID + "e_spikes = 1.0\n", ["e_spikes", "1.0", "e_spike", "acceleration"]),
        (VALID.replace("e_synop = 2e-12\n", ""), ["e_synop", "missing"]),
        (VALID.replace('name = "x"\n', ""), ["name", "missing"]),
        (VALID.replace("2e-12", "-2e-12"), ["e_synop", "-2e-12", ">= 0"]),
        (VALID.replace("2e-12", "inf"), ["e_synop", "inf", "finite"]),
        (VALID.replace("2e-12", "nan"), ["e_synop", "nan", "finite"]),
        (VALID.replace("2e-12", "'2 pJ'"), ["e_synop", "2 pJ"]),
        (VALID.replace("2e-12", "true"), ["e_synop", "True"]),
        (VALID + "acceleration = 0\n", ["acceleration", "0", "> 0"]),
        (VALID + "description = 3\n", ["description", "3"]),
        (VALID + "sources = 'all mine'\n", ["sources", "all mine"]),
        (VALID + "[sources]\ne_spikes = 'x'\n", ["sources.e_spikes"]),
        (VALID + "[sources]\ne_spike = 3\n", ["sources.e_spike", "3"]),
    ],
)
def test_bad_files_name_key_value_and_what_is_allowed(tmp_path, text, parts):
    with pytest.raises(ParameterError) as caught:
        load_profile(profile_file(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)


def test_file_that_is_missing_or_not_toml(tmp_path):
    with pytest.raises(FormatError, match=r"none\.toml.*loihi"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(FormatError, match="not valid TOML"):
        load_profile(profile_file(tmp_path, "name = \n"))


@pytest.mark.parametrize(
    "value, text",
    [(0.0, "0 J"), (23.6e-12, "23.6 pJ"), (1.0, "1 J"), (0.104, "104 mJ"), (999.99e-9, "1 µJ"), (1e-18, "0.001 fJ")],
)
def test_si_prefixes(value, text):
    assert si(value, "J") == text
