"""Checks of user parameters: every message names the parameter, its owner, the value and what is allowed."""

import numpy as np

from ..errors import ParameterError


def count(value, name, owner, minimum=1, below=2**63):
    """`value` as an int, minimum <= value < below."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or not minimum <= value < below:
        limit = f" and < 2^{below.bit_length() - 1}" if isinstance(value, (int, np.integer)) and value >= below else ""
        raise ParameterError(f"{name} of {owner} must be a whole number >= {minimum}{limit}, got {value!r}")
    return int(value)


def real(value, name, owner, n=None, *, above=None, least=None, infinite=False):
    """`value` as float64 scalar array or array [n], within range; an array of equal values becomes the scalar.

    above: exclusive lower bound; least: inclusive lower bound; infinite: whether +inf is legal.
    """
    allowed = "a number"
    if above is not None:
        allowed = f"> {above:g}"
    elif least is not None:
        allowed = f">= {least:g}"
    allowed += "" if infinite else " and finite"
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} of {owner} must be {allowed}, got {value!r}") from None
    if array.ndim > 1 or (array.ndim == 1 and (n is None or array.size != n)):
        shape = "a scalar" if n is None else f"a scalar or an array of length {n}"
        raise ParameterError(f"{name} of {owner} must be {shape}, got shape {array.shape}")
    bad = np.isnan(array) | np.isneginf(array)
    if not infinite:
        bad |= np.isposinf(array)
    if above is not None:
        bad |= ~(array > above)
    if least is not None:
        bad |= ~(array >= least)
    if bad.any():
        if array.ndim:
            k = int(np.flatnonzero(bad)[0])
            raise ParameterError(f"{name}[{k}] of {owner} is {array[k]!r}; it must be {allowed}")
        raise ParameterError(f"{name} of {owner} is {array.item()!r}; it must be {allowed}")
    if array.ndim and array.size and np.all(array == array.flat[0]):
        return np.float64(array.flat[0])
    return array if array.ndim else np.float64(array)
