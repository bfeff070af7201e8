"""Values of synaptic parameters: a number, one number per synapse, or a distribution to draw from."""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError

SMALLEST_MASS = 1e-3  # of a truncated distribution; below it redrawing takes more than a thousand draws per value
FARTHEST = 9.0  # standard deviations between the mean and the outermost multiple of `step`; beyond lies less than 1e-18
MOST_CLASSES = 1 << 16  # of delays: what uint16 numbers
RULES = {"weight": (-math.inf, "finite"), "delay": (0.0, "finite and >= 0 s")}


@dataclass(frozen=True)
class Normal:
    """Values drawn from a normal distribution, those outside ``low <= value <= high`` drawn again.

    `mean`, `std`, `low` and `high` are numbers in the unit of the parameter (seconds for delays). ``std=0`` gives the
    mean. With `step` (> 0, same unit) a drawn value is rounded to the nearest whole multiple of `step` before it is
    compared with the bounds: delays then take few distinct values, which saves memory. Delays need ``low >= 0`` unless
    the mean is many standard deviations above zero. The same seed gives the same values on every machine.

    Raises `ParameterError` for NaN, an infinite mean or std, std < 0, step <= 0, and bounds that leave less than 0.001
    of the distribution.

    >>> from eventsnn.model.distributions import Normal
    >>> values = Normal(0.5, 0.1, low=0.4).draw(seed=1, n=1000)
    >>> bool(values.min() >= 0.4), values.dtype
    (True, dtype('float64'))
    >>> Normal(1.5e-3, 0.75e-3, low=0.5e-3, high=1.5e-3, step=0.5e-3).multiples()
    (1.0, 3.0)
    """

    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf
    step: float | None = None

    def __post_init__(self):
        for name in ("mean", "std", "low", "high", *(["step"] if self.step is not None else [])):
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
        if self.step is not None:
            if not (math.isfinite(self.step) and self.step > 0.0):
                raise ParameterError(f"step of Normal is {self.step}; it must be finite and > 0")
            if (abs(self.mean) + FARTHEST * self.std) / self.step > 1e15:
                raise ParameterError(f"step of Normal is {self.step}; it is too small next to the mean and std")
        mass = self.mass()
        if mass < SMALLEST_MASS:
            raise ParameterError(
                f"low and high of Normal({self.mean}, {self.std}) are {self.low} and {self.high}, which leaves "
                f"{mass:.3g} of the distribution; at least {SMALLEST_MASS} must remain"
            )

    def mass(self):
        """The part of the distribution that is not drawn again."""
        low, high = self.low, self.high
        if self.step is not None:
            first, last = self._bounds_in_steps()
            low, high = (first - 0.5) * self.step, (last + 0.5) * self.step
        if self.std == 0.0:
            return float(low <= self.mean <= high)
        scale = self.std * math.sqrt(2.0)
        a, b = (low - self.mean) / scale, (high - self.mean) / scale
        if a > 0.0:  # the difference of the two upper tails keeps its digits far out
            a, b = -b, -a
        return max(0.0, 0.5 * (math.erfc(-b) - math.erfc(-a)))

    def _bounds_in_steps(self):
        """First and last whole number of steps within the bounds; a bound that is itself a multiple is within."""
        return float(np.ceil(self.low / self.step - 1e-9)), float(np.floor(self.high / self.step + 1e-9))

    def multiples(self):
        """First and last whole number of steps that may be drawn; only with `step`."""
        first, last = self._bounds_in_steps()
        nearest, farthest = self._steps(self.mean - FARTHEST * self.std), self._steps(self.mean + FARTHEST * self.std)
        return max(first, nearest), min(last, farthest)

    def _steps(self, value):
        return float(np.floor(value / self.step + 0.5))

    def constant(self):
        """The one value that is drawn with ``std=0``."""
        if self.step is None:
            return self.mean
        return float(self.on_grid(min(max(self._steps(self.mean), self.multiples()[0]), self.multiples()[1])))

    def on_grid(self, numbers):
        """Values of the multiples `numbers` of `step`."""
        return np.clip(np.asarray(numbers) * self.step, self.low, self.high)

    def arrays(self, key, dtype):
        """`words` and `reals` of `kernels.draw` for values of `dtype` in the stream `key`; the rule's own columns are zero."""
        from ..kernels import draw

        words, reals = np.zeros(draw.N_WORDS, np.uint64), np.zeros(draw.N_REALS)
        words[draw.VALUE_KEY], words[draw.NORMAL], words[draw.SINGLE] = key, 1, dtype == np.float32
        first, last = self.multiples() if self.step is not None else (0.0, 0.0)
        reals[draw.MEAN :] = (self.mean, self.std, *_inward(self.low, self.high, dtype), self.step or 0.0, first, last)
        return words, reals

    def draw(self, seed, n, dtype=np.float64):
        """Draw `n` values from the whole number `seed`; the bounds hold after rounding to `dtype`."""
        return self.draw_rows(keys(seed)[WEIGHTS], np.array([0, n]), np.dtype(dtype))

    def draw_rows(self, key, indptr, dtype):
        """Draw the values of all rows in the stream `key`."""
        from ..kernels import draw

        values = np.empty(indptr[-1], dtype)
        draw.fill_values(*self.arrays(key, values.dtype), indptr, values)
        return values


def _inward(low, high, dtype):
    """The bounds rounded to `dtype` without leaving the interval."""
    with np.errstate(over="ignore"):
        a, b = dtype.type(low), dtype.type(high)
    if a < low:
        a = np.nextafter(a, dtype.type(np.inf))
    if b > high:
        b = np.nextafter(b, dtype.type(-np.inf))
    return float(a), float(b)


TARGETS, WEIGHTS, DELAYS, COUNTS = 0, 1, 2, 3  # the streams of a seed


def keys(seed):
    """Keys of the independent streams of a seed: changing how one parameter is drawn never changes the others."""
    return np.random.SeedSequence(int(seed)).generate_state(4, np.uint64)


@dataclass(frozen=True, eq=False)
class DelayClasses:
    """Delays with few distinct values: synapse i has ``table[index[i]]``.

    `table` is float64 [n_classes] in seconds, ascending, every entry in use; `index` is uint8 [n_synapses] for up to
    256 classes and uint16 for up to 65,536.

    >>> from eventsnn.model.distributions import DelayClasses
    >>> classes = DelayClasses.of([2e-3, 1e-3, 2e-3])
    >>> classes.table, classes.index
    (array([0.001, 0.002]), array([1, 0, 1], dtype=uint8))
    """

    table: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, values):
        """The classes of the array `values`, or None where an index would save little: see `Edges`."""
        from ..kernels import edges

        values = np.ascontiguousarray(values, np.float64).ravel()
        if np.signbit(values).any():
            values = values + 0.0  # turns -0.0 into 0.0
        most = min(MOST_CLASSES, values.size)
        slots = np.full(1 << (3 * most).bit_length(), -1, np.int32)
        table, index = np.empty(most), np.empty(values.size, np.uint16)
        count = edges.find_classes(values, values.view(np.uint64), most, slots, table, index)
        if count < 0 or (count > 256 and 4 * count > values.size):
            return None
        return cls._tidy(table[:count], index)

    @classmethod
    def drawn(cls, normal, key, indptr):
        """Delays drawn from `normal`, which has a step, straight into classes."""
        from ..kernels import draw, edges

        first, last = normal.multiples()
        n_classes = int(last - first) + 1
        index = np.empty(indptr[-1], _index_type(n_classes))
        draw.fill_classes(*normal.arrays(key, np.dtype(np.float64)), indptr, index)
        count = np.zeros(n_classes, np.int64)
        edges.count_classes(index, count)
        used = np.flatnonzero(count)
        if used.size == n_classes:
            return cls(normal.on_grid(first + used), index)
        return cls._tidy(normal.on_grid(first + used), index, used)

    @classmethod
    def _tidy(cls, table, index, old=None):
        """Classes in ascending order; entry i of `table` has the number old[i] in `index`, i itself by default."""
        from ..kernels import edges

        order = np.argsort(table)
        old = order if old is None else old[order]
        number = np.zeros(int(old.max(initial=0)) + 1, np.uint16)
        number[old] = np.arange(order.size)
        renumbered = np.empty(index.size, _index_type(order.size))
        edges.renumber(index, number, renumbered)
        return cls(table[order], renumbered)

    def values(self):
        """The delays one by one: float64 [n_synapses]."""
        return self.table[self.index]


def _index_type(n_classes):
    return np.uint8 if n_classes <= 256 else np.uint16


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


def resolve(value, name, where, shape, dtype=None):
    """Check the `value` of the parameter `name` ("weight" or "delay") and bring it into its stored form.

    A number becomes a Python float, an array one of `dtype` (None keeps float32 and makes anything else float64); a
    `Normal` stays one unless all its values are equal. `shape` is the shape an array must have, None where it is not
    known yet. Raises `ParameterError` naming parameter, place, value, index and allowed range.
    """
    if isinstance(value, Normal):
        if value.std > 0.0:
            return value
        value = value.constant()
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
    _check_entries(array, name, where, False)
    return array


def check_delay_classes(delay, where):
    """Raise `ParameterError` if `delay` is a `Normal` with too fine a step."""
    if isinstance(delay, Normal) and delay.step is not None:
        first, last = delay.multiples()
        if last - first >= MOST_CLASSES:
            raise ParameterError(
                f"step of delay of {where} is {delay.step}, which makes {last - first + 1:.0f} different delays; at most "
                f"{MOST_CLASSES} are possible: give a larger step or none"
            )


def stored_weight(value, indptr, key, dtype):
    """The resolved weight `value`, given or drawn by row: a float, or an own float32 or float64 array [n_synapses]."""
    if isinstance(value, Normal):
        return value.draw_rows(key, indptr, np.dtype(dtype or np.float64))
    return value if isinstance(value, float) else value.flatten()


def stored_delay(value, indptr, key, where):
    """The resolved delay `value`, given or drawn by row: a float, `DelayClasses` or an own float64 array [n_synapses]."""
    if isinstance(value, float):
        return value
    if isinstance(value, np.ndarray):
        delay = in_classes(value)
        return delay.flatten() if isinstance(delay, np.ndarray) else delay
    if not indptr[-1]:
        return 0.0
    if value.step is None:
        delay = value.draw_rows(key, indptr, np.dtype(np.float64))
        _check_entries(delay, "delay", where, True)
        return delay
    delay = DelayClasses.drawn(value, key, indptr)
    if delay.table[0] < 0.0:
        _check_entries(delay.values(), "delay", where, True)
    return delay if delay.table.size > 1 else float(delay.table[0])


def in_classes(delay):
    """The array `delay` as `DelayClasses` where that pays, as one float if all are equal, else as it is."""
    if not delay.size:
        return 0.0
    classes = DelayClasses.of(delay)
    if classes is None:
        return delay
    return classes if classes.table.size > 1 else float(classes.table[0])


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
