"""Values of synaptic parameters: a number, one number per synapse, or a distribution to draw from."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError

SMALLEST_MASS = 1e-3  # of a truncated distribution; below it redrawing takes more than a thousand draws per value
RULES = {"weight": (-math.inf, "finite"), "delay": (0.0, "finite and >= 0 s")}


@dataclass(frozen=True)
class Normal:
    """Values drawn from a normal distribution, those outside ``low <= value <= high`` drawn again.

    `mean`, `std`, `low` and `high` are numbers in the unit of the parameter (seconds for delays). ``std=0`` gives the
    mean. Delays need ``low >= 0`` unless the mean is many standard deviations above zero.

    Raises `ParameterError` for NaN, an infinite mean or std, std < 0, and bounds that leave less than 0.001 of the
    distribution.

    >>> import numpy as np
    >>> from eventsnn.model.distributions import Normal
    >>> values = Normal(0.5, 0.1, low=0.4).draw(np.random.default_rng(1), 1000)
    >>> bool(values.min() >= 0.4), values.dtype
    (True, dtype('float64'))
    """

    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self):
        for name in ("mean", "std", "low", "high"):
            value = getattr(self, name)
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise ParameterError(f"{name} of Normal is {value!r}; it must be a number") from None
            object.__setattr__(self, name, number)
        if not math.isfinite(self.mean):
            raise ParameterError(f"mean of Normal is {self.mean}; it must be finite")
        if not (math.isfinite(self.std) and self.std >= 0.0):
            raise ParameterError(f"std of Normal is {self.std}; it must be finite and >= 0")
        if math.isnan(self.low) or math.isnan(self.high):
            raise ParameterError(f"low and high of Normal are {self.low} and {self.high}; they must not be NaN")
        mass = self.mass()
        if mass < SMALLEST_MASS:
            raise ParameterError(
                f"low and high of Normal({self.mean}, {self.std}) are {self.low} and {self.high}, which leaves "
                f"{mass:.3g} of the distribution; at least {SMALLEST_MASS} must remain"
            )

    def mass(self):
        """The part of the distribution between `low` and `high`."""
        if self.std == 0.0:
            return float(self.low <= self.mean <= self.high)
        scale = self.std * math.sqrt(2.0)
        a, b = (self.low - self.mean) / scale, (self.high - self.mean) / scale
        if a > 0.0:  # the difference of the two upper tails keeps its digits far out
            a, b = -b, -a
        return max(0.0, 0.5 * (math.erfc(-b) - math.erfc(-a)))

    def draw(self, rng, n, dtype=np.float64):
        """Draw `n` values from the generator `rng`; the bounds hold after rounding to `dtype`."""
        values = rng.normal(self.mean, self.std, n).astype(dtype, copy=False)
        outside = np.flatnonzero((values < self.low) | (values > self.high))
        while outside.size:
            again = rng.normal(self.mean, self.std, outside.size).astype(dtype, copy=False)
            values[outside] = again
            outside = outside[(again < self.low) | (again > self.high)]
        return values


def weight_type(name, where):
    """The numpy dtype that ``weight_dtype=name`` asks for, or None."""
    if name is None:
        return None
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.type not in (np.float32, np.float64):
        raise ParameterError(f"weight_dtype of {where} is {name!r}; it must be 'float32', 'float64' or None")
    return dtype


def resolve(value, name, where, shape, dtype=None, rng=None):
    """Check the `value` of the parameter `name` ("weight" or "delay") and bring it into its stored form.

    A number becomes a Python float, an array one of `dtype` (None keeps float32 and makes anything else float64). A
    `Normal` is drawn from `rng`, or returned as it is without one. `shape` is the shape an array must have, None where
    it is not known yet. Raises `ParameterError` naming parameter, place, value, index and allowed range.
    """
    if isinstance(value, Normal):
        if rng is None:
            return value
        array = value.draw(rng, math.prod(shape), dtype or np.float64).reshape(shape)
    else:
        array = _floats(value, name, where, dtype)
    if array.ndim == 0:
        return _checked_number(array, name, where)
    if shape is not None and array.shape != tuple(shape):
        if len(shape) == 1:
            got = f"{array.size} values" if array.ndim == 1 else f"shape {array.shape}"
            raise ParameterError(f"{name} of {where} has {got}; it must be a number or {shape[0]}, one per synapse")
        raise ParameterError(
            f"{name} of {where} has shape {array.shape}; it must be a number or have shape "
            f"(n_source, n_target) = {tuple(shape)}"
        )
    _check_entries(array, name, where, isinstance(value, Normal))
    return array


def _floats(value, name, where, dtype):
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise ParameterError(
            f"{name} of {where} is {value!r}; it must be a number, an array of numbers or Normal(...)"
        ) from None
    if array.ndim == 0:
        array = array.astype(np.float64)
        if dtype is None or not np.isfinite(array):
            return array
    with np.errstate(over="ignore"):  # a weight too large for float32 becomes inf and is reported as such
        return array.astype(dtype or (np.float32 if array.dtype == np.float32 else np.float64), copy=False)


def _checked_number(array, name, where):
    low, rule = RULES[name]
    number = float(array)
    if not (math.isfinite(number) and number >= low):
        raise ParameterError(f"{name} of {where} is {number}; it must be {rule}")
    return number


def _check_entries(array, name, where, drawn):
    low, rule = RULES[name]
    if not array.size or (np.isfinite(array.min()) and np.isfinite(array.max()) and array.min() >= low):
        return
    first = int(np.flatnonzero(~(np.isfinite(array) & (array >= low)).ravel())[0])
    value = array.ravel()[first]
    if array.ndim == 1:
        label = f"{name} of synapse {first}"
    else:
        label = f"{name}[{', '.join(str(int(i)) for i in np.unravel_index(first, array.shape))}]"
    hint = "; give Normal a low >= 0" if drawn else ""
    raise ParameterError(f"{label} of {where} is {value}; it must be {rule}{hint}")
