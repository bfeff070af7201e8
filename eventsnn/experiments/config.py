"""Settings of experiments: TOML files with presets, typed and checked, and overridden one by one.

Later layers win: the shipped file of the experiment, its chosen preset, the user's own file, that file's version of
the preset, single overrides. A file looks like this:

    experiment = "balanced"
    n = 8000

    [presets.quick]
    n = 500
"""

import math
import os
import tomllib
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path

from ..errors import FormatError, InputError, ParameterError, unknown_name

NO_PRESET = "none"


@dataclass(frozen=True)
class Setting:
    """One setting of an experiment: its `kind` (int, float or str), a sentence about it, and what is allowed.

    `least` and `most` are inclusive limits, `above` is an exclusive one; `choices` lists the strings that are allowed.

    >>> Setting(int, "neurons", least=1).check("n", 10.0, "balanced")
    10
    """

    kind: type
    about: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple = ()

    def allowed(self):
        """What the setting may be, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is str:
            return "a string"
        words = "a whole number" if self.kind is int else "a finite number"
        limits = [(">=", self.least), (">", self.above), ("<=", self.most)]
        limits = " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
        return f"{words} {limits}".rstrip()

    def check(self, key, value, experiment):
        """Return `value` in the kind of the setting; raises `ParameterError` if it is none or out of range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind is str:
            good = isinstance(value, str) and (not self.choices or value in self.choices)
        elif not number or not math.isfinite(value) or (self.kind is int and value != int(value)):
            good = False
        else:
            good = (
                (self.least is None or value >= self.least)
                and (self.above is None or value > self.above)
                and (self.most is None or value <= self.most)
            )
        if not good:
            raise ParameterError(f"{key} of experiment {experiment!r} is {value!r}; it must be {self.allowed()}")
        return self.kind(value)


COMMON = {
    "seed": Setting(int, "seed of everything random", least=0),
    "threads": Setting(int, "threads; 0 means all cores", least=0),
    "energy_profile": Setting(str, "hardware that the events are charged to: a shipped profile or a TOML file"),
}


@dataclass(frozen=True)
class Plan:
    """An experiment ready to run: its name, preset and complete, checked settings."""

    experiment: str
    preset: str
    settings: dict


def experiment_names():
    """Names of the shipped experiments, sorted.

    >>> experiment_names()[:2]
    ['asnn-streaming', 'balanced']
    """
    return sorted(entry.name[:-5] for entry in resources.files(__package__).iterdir() if entry.name.endswith(".toml"))


def experiment_module(name):
    """The module of experiment `name`, which holds its SETTINGS and `run`; raises `UnknownNameError`."""
    if name not in experiment_names():
        raise unknown_name("experiment", name, experiment_names())
    return import_module(f".{name.replace('-', '_')}", __package__)


def load_plan(name_or_path, overrides=None, seed=None):
    """Make the `Plan` of an experiment from its name or a TOML file and the dict `overrides`.

    A string that ends in ``.toml`` or contains a path separator is a file. `overrides` may choose the "preset" ("none"
    for none) and set any setting; `seed` is short for the override of that name. Raises `UnknownNameError` for unknown
    experiments, presets and settings, `ParameterError` for values of the wrong kind or out of range, `FormatError` for
    files that cannot be read.

    >>> load_plan("balanced", {"n": 500}).settings["n"]
    500
    """
    overrides = dict(overrides or {})
    if seed is not None:
        overrides["seed"] = seed
    own = {}
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or name.endswith(".toml") or os.sep in name or "/" in name:
        own = _read(Path(name), name)
        if "experiment" not in own:
            known = ", ".join(experiment_names())
            raise FormatError(f"{name} does not say which experiment it is for: add experiment = one of {known}")
        name = own.pop("experiment")
    settings = experiment_module(name).SETTINGS | COMMON
    shipped = _read(resources.files(__package__) / f"{name}.toml", f"experiment {name}")
    shipped.pop("experiment")
    layers = [shipped, own]
    presets = [layer.pop("presets", {}) for layer in layers]
    for tables in presets:
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise FormatError(f"presets of experiment {name!r} must be tables, as in [presets.quick]")
    chosen = [layer.pop("preset") for layer in (shipped, own, overrides) if "preset" in layer] or [NO_PRESET]
    preset = chosen[-1]
    names = sorted({NO_PRESET, *presets[0], *presets[1]})
    if preset not in names:
        raise unknown_name("preset", preset, names)
    values = {}
    for layer, tables in zip(layers, presets):
        values |= layer | tables.get(preset, {})
    values |= overrides
    for key in values:
        if key not in settings:
            raise unknown_name("setting", key, ["preset", *settings])
    return Plan(name, preset, {key: settings[key].check(key, values[key], name) for key in settings})


def parse_override(text):
    """Split "key=value" and read the value as TOML; what is not TOML is a string, so quotes are not needed.

    Raises `InputError` without an equals sign or a key.

    >>> parse_override("hidden=60"), parse_override("preset=paper")
    (('hidden', 60), ('preset', 'paper'))
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key:
        raise InputError(f"--set takes key=value, got {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    return key, parsed["value"] if list(parsed) == ["value"] else value


def describe(name):
    """What experiment `name` is, for people: (summary sentence, presets, rows of (setting, default, meaning))."""
    module = experiment_module(name)
    plan = load_plan(name)
    presets = sorted(_read(resources.files(__package__) / f"{name}.toml", name).get("presets", {}))
    rows = [(key, plan.settings[key], setting.about) for key, setting in (module.SETTINGS | COMMON).items()]
    return module.__doc__.strip().splitlines()[0], presets, rows


def _read(source, where):
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {where}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{where} is not valid TOML: {error}") from error


def cores():
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
