"""Checks of settings: the message names the setting, its value and what is allowed."""

import math
from numbers import Integral, Real

from ..errors import ParameterError


def words(owner, **known):
    """Check that attributes of `owner` are among the words they may be.

    >>> from types import SimpleNamespace
    >>> words(SimpleNamespace(loss="count"), loss=("kernel", "count"))
    """
    for name, choices in known.items():
        if getattr(owner, name) not in choices:
            raise ParameterError(f"{name} must be one of {', '.join(map(repr, choices))}, got {getattr(owner, name)!r}")


def whole(owner, *names, least=1):
    """Check that attributes of `owner`, or all entries of those that are sequences, are whole numbers >= `least`.

    >>> from types import SimpleNamespace
    >>> whole(SimpleNamespace(epochs=3, hidden=(20, 10)), "epochs", "hidden")
    """
    for name, value in _entries(owner, names):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ParameterError(f"{name} must be a whole number >= {least}, got {value!r}")


def finite(owner, *names, least=None, above=None, below=None, most=None):
    """Check that attributes of `owner`, or all entries of those that are sequences, are finite numbers within limits.

    >>> from types import SimpleNamespace
    >>> finite(SimpleNamespace(rate=1e-3, decays=(0.5, 0.9)), "rate", "decays", above=0.0, below=1.0)
    """
    for name, value in _entries(owner, names):
        fits = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        if not (fits and (least is None or value >= least) and (above is None or value > above)
                and (below is None or value < below) and (most is None or value <= most)):
            limits = ((">=", least), (">", above), ("<", below), ("<=", most))
            allowed = " and ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)
            raise ParameterError(f"{name} must be a finite number{' ' * bool(allowed)}{allowed}, got {value!r}")


def _entries(owner, names):
    for name in names:
        value = getattr(owner, name)
        for entry in value if isinstance(value, tuple | list) else (value,):
            yield name, entry
