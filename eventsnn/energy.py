"""Energy of a run on a given chip: exact counts times published joules.

    E = spikes * e_spike + synaptic events * e_synop + neuron updates * e_update + p_static * duration / acceleration

The counts are exact and do not depend on the scheduler; the joules are somebody's measurement or simulation, and every
figure of a profile says whose. Profiles are TOML files, shipped in ``eventsnn/profiles`` or your own.
"""

import math
import os
import tomllib
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

from .errors import FormatError, ParameterError, unknown_name
from .types import Counts

FIGURES = ("e_spike", "e_synop", "e_update", "p_static")
NO_SOURCE = "no source given"


def _number(profile, key, value, *, positive=False):
    allowed = "a finite number > 0" if positive else "a finite number >= 0"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise ParameterError(f"{key} of energy profile {profile!r} must be {allowed}, got {value!r}")
    return float(value)


@dataclass(frozen=True)
class EnergyProfile:
    """What events cost on one kind of hardware.

    `e_spike`, `e_synop`, `e_update` in joules per spike, synaptic event and neuron update; `p_static` in watts;
    `acceleration` is biological time over hardware time (1000 on BrainScaleS-2); `sources` maps each figure to where
    it comes from. Raises `ParameterError` for negative, infinite or non-numeric figures.

    >>> EnergyProfile("mine", e_spike=1e-12, e_synop=2e-12, e_update=0.0, p_static=0.1).acceleration
    1.0
    """

    name: str
    e_spike: float
    e_synop: float
    e_update: float
    p_static: float
    acceleration: float = 1.0
    description: str = ""
    sources: dict = field(default_factory=dict)

    def __post_init__(self):
        for key in FIGURES:
            object.__setattr__(self, key, _number(self.name, key, getattr(self, key)))
        acceleration = _number(self.name, "acceleration", self.acceleration, positive=True)
        object.__setattr__(self, "acceleration", acceleration)
        object.__setattr__(self, "sources", dict(self.sources))

    def source(self, figure):
        """Where a figure comes from, for example ``source("e_synop")``; "no source given" if the profile is silent."""
        return self.sources.get(figure, NO_SOURCE)


@dataclass(frozen=True)
class Energy:
    """Energy of one run in joules: `total`, `items` by cause, the `counts` that entered, the `profile` used.

    `items` has the keys "spikes", "synaptic_events", "neuron_updates" and "static"; they add up to `total`.
    `duration` is biological time in seconds. Printing it shows which counts times which joules make what, and the
    source of each figure.
    """

    total: float
    items: dict
    counts: dict
    profile: EnergyProfile
    duration: float

    @property
    def dynamic(self):
        """The part caused by events, without static power, in joules."""
        return self.total - self.items["static"]

    def __str__(self):
        p = self.profile
        rows = [
            (label, f"{self.counts[key]:,}", si(getattr(p, figure), "J"), si(self.items[key], "J"), p.source(figure))
            for label, key, figure in (
                ("spikes", "spikes", "e_spike"),
                ("synaptic events", "synaptic_events", "e_synop"),
                ("neuron updates", "neuron_updates", "e_update"),
            )
        ]
        time = si(self.duration / p.acceleration, "s")
        rows.append(("static power", time, si(p.p_static, "W"), si(self.items["static"], "J"), p.source("p_static")))
        width = [max(len(row[i]) for row in rows) for i in range(4)]
        speed = "" if p.acceleration == 1.0 else f" ({p.acceleration:g} times faster on the hardware)"
        lines = [f"{si(self.total, 'J')} on {p.name} for {si(self.duration, 's')} of biological time{speed}"]
        for k, (label, count, each, joules, _) in enumerate(rows, 1):
            left = f"  {label:<{width[0]}}  {count:>{width[1]}} x {each:>{width[2]}}"
            lines.append(f"{left} = {joules:>{width[3]}}  [{k}]")
        lines += [f"  [{k}] {row[4]}" for k, row in enumerate(rows, 1)]
        return "\n".join(lines)


def si(value, unit):
    """Format a quantity with an SI prefix and four digits.

    >>> si(2.36e-11, "J")
    '23.6 pJ'
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefixes = {-15: "f", -12: "p", -9: "n", -6: "\u00b5", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
    exponent = min(max(3 * math.floor(math.log10(abs(value)) / 3), -15), 9)
    if abs(float(f"{value / 10.0**exponent:.4g}")) >= 1000 and exponent < 9:
        exponent += 3
    return f"{value / 10.0**exponent:.4g} {prefixes[exponent]}{unit}"


def _shipped():
    return {entry.name[:-5]: entry for entry in _profile_folder().iterdir() if entry.name.endswith(".toml")}


def _profile_folder():
    return resources.files(__package__) / "profiles"


def list_profiles():
    """Names of the shipped energy profiles, sorted.

    >>> "loihi" in list_profiles()
    True
    """
    return sorted(_shipped())


def load_profile(name_or_path):
    """Load an `EnergyProfile` by its shipped name or from a TOML file.

    A string that ends in ``.toml`` or contains a path separator is a path; an `EnergyProfile` is returned as it is.
    The file must define ``name``, ``e_spike``, ``e_synop``, ``e_update`` (J) and ``p_static`` (W), and may define
    ``acceleration`` (default 1), ``description`` and a table ``[sources]`` with one string per figure.

    Raises `UnknownNameError` for an unknown name, `FormatError` for a file that is missing or not TOML, and
    `ParameterError` for unknown or missing keys and for values that are negative or not finite.

    >>> load_profile("loihi").e_synop
    2.36e-11
    """
    if isinstance(name_or_path, EnergyProfile):
        return name_or_path
    text = os.fspath(name_or_path)
    is_path = not isinstance(name_or_path, str) or text.endswith(".toml") or "/" in text or os.sep in text
    if is_path:
        where, source = text, Path(text)
    else:
        shipped = _shipped()
        if text not in shipped:
            raise unknown_name("energy profile", text, sorted(shipped))
        where, source = f"profile {text}", shipped[text]
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise FormatError(f"cannot read energy profile {where}: {reason}; shipped ones: {list_profiles()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"energy profile {where} is not valid TOML: {error}") from error
    return _from_table(table, where)


def _from_table(table, where):
    allowed = [f.name for f in fields(EnergyProfile)]
    known = f"allowed: {', '.join(allowed)}"
    for key, value in table.items():
        if key not in allowed:
            raise ParameterError(f"unknown key {key!r} = {value!r} in energy profile {where}; {known}")
    for key in ("name", *FIGURES):
        if key not in table:
            raise ParameterError(f"key {key!r} is missing in energy profile {where}; {known}")
    for key in ("name", "description"):
        if not isinstance(table.get(key, ""), str):
            raise ParameterError(f"{key} of energy profile {where} must be a string, got {table[key]!r}")
    sources = table.get("sources", {})
    if not isinstance(sources, dict):
        raise ParameterError(f"sources of energy profile {where} must be a table, got {sources!r}")
    figures = (*FIGURES, "acceleration")
    for key, value in sources.items():
        if key not in figures or not isinstance(value, str):
            raise ParameterError(
                f"sources.{key} = {value!r} in energy profile {where}; allowed: strings for {', '.join(figures)}"
            )
    texts = {key: " ".join(text.split()) for key, text in sources.items()}
    description = " ".join(table.get("description", "").split())
    return EnergyProfile(**{**table, "description": description, "sources": texts})


def energy(counts, duration, profile="loihi"):
    """Energy of `counts` (`types.Counts`) over `duration` seconds of biological time, as an `Energy`.

    `profile` is a shipped name, a path to a TOML file or an `EnergyProfile`. On accelerated hardware static power is
    drawn for duration/acceleration only. Raises `ParameterError` if `duration` is negative or NaN, or infinite while
    the profile has static power; errors of `load_profile` pass through.

    >>> from eventsnn.types import Counts, Tally
    >>> spikes, events = Tally("population", {"a": 10}), Tally("projection", {"a->b": 100})
    >>> counts = Counts(spikes, events, Tally("population"))
    >>> round(energy(counts, 0.0, "loihi").total * 1e12, 3)
    2377.0
    """
    profile = load_profile(profile)
    if not isinstance(counts, Counts):
        raise ParameterError(f"counts must be a Counts object, got {type(counts).__name__}")
    duration = float(duration)
    if not duration >= 0.0 or (math.isinf(duration) and profile.p_static > 0.0):
        raise ParameterError(
            f"duration must be >= 0 s, and finite where static power is charged, got {duration!r} "
            f"(profile {profile.name!r}, p_static {profile.p_static:g} W)"
        )
    entered = {
        "spikes": counts.spikes.total,
        "synaptic_events": counts.synaptic_events.total,
        "neuron_updates": counts.neuron_updates.total,
    }
    items = {
        "spikes": entered["spikes"] * profile.e_spike,
        "synaptic_events": entered["synaptic_events"] * profile.e_synop,
        "neuron_updates": entered["neuron_updates"] * profile.e_update,
        "static": profile.p_static * (duration / profile.acceleration) if profile.p_static else 0.0,
    }
    return Energy(math.fsum(items.values()), items, entered, profile, duration)
