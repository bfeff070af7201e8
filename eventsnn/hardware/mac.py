"""The chip as an analog matrix multiplier, as a mock with two parameters: gain and noise.

The arithmetic of hxtorch's perceptron mock (electronicvisions/hxtorch, mac.cpp and constants.h): inputs of five bits, weights
of six bits and a sign, blocks of 128 signed inputs, eight-bit outputs.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InputError, ParameterError

MOST_INPUT, MOST_WEIGHT, LEAST_OUTPUT, MOST_OUTPUT = 31, 63, -128, 127
ROWS = 128  # signed inputs of one block


@dataclass(frozen=True)
class MockParameter:
    """gain: LSB of output per unit of input times weight; noise_std: spread of every block's output, LSB. Defaults: hxtorch's.

    >>> MockParameter(gain=0.01, noise_std=0.0)
    MockParameter(gain=0.01, noise_std=0.0)
    """

    gain: float = 0.002
    noise_std: float = 2.0

    def __post_init__(self):
        for name, zero in (("gain", False), ("noise_std", True)):
            value = getattr(self, name)
            number = isinstance(value, int | float | np.floating) and np.isfinite(value)
            if not number or not (value > 0.0 or (zero and value == 0.0)):
                raise ParameterError(f"{name} of MockParameter must be finite and {'>=' if zero else '>'} 0, got {value!r}")


def _whole(values, name, low, high, dimensions):
    values = np.asarray(values)
    whole = values.dtype.kind in "iu" or values.dtype.kind == "f" and np.array_equal(values, np.floor(values))
    if values.ndim != dimensions or not whole:
        raise InputError(f"{name} must be whole numbers in {dimensions} dimensions, got shape {values.shape}, {values.dtype}")
    if values.size and not low <= values.min() <= values.max() <= high:
        raise InputError(f"{name} must be {low} to {high}, got {values.min()} to {values.max()}")
    return values.astype(np.int64)


def multiply(inputs, weights, mock=None, *, num_sends=1, seed=0):
    """inputs @ weights as the mock gives it, LSB [n, m], whole numbers -128 to 127.

    inputs : [n, k], 0 to 31; weights : [k, m], -63 to 63; num_sends : how often every input is sent
    Every block of 128 inputs gives floor(gain num_sends x W + noise), limited to eight bits; their sum is limited again.
    Raises `InputError` for other inputs and weights, `ParameterError` for num_sends below 1.

    >>> int(multiply([[31] * 8], [[63]] * 8, MockParameter(0.002, 0.0))[0, 0])
    31
    """
    mock = MockParameter() if mock is None else mock
    x, w = _whole(inputs, "inputs", 0, MOST_INPUT, 2), _whole(weights, "weights", -MOST_WEIGHT, MOST_WEIGHT, 2)
    if x.shape[1] != len(w):
        raise InputError(f"inputs have {x.shape[1]} columns and weights {len(w)} rows; they must be equal")
    if not isinstance(num_sends, int | np.integer) or num_sends < 1:
        raise ParameterError(f"num_sends must be a whole number >= 1, got {num_sends!r}")
    draw, total = np.random.default_rng(seed), np.zeros((len(x), w.shape[1]), np.int64)
    for first in range(0, len(w), ROWS):
        block = mock.gain * num_sends * (x[:, first:first + ROWS] @ w[first:first + ROWS])
        noisy = np.floor(block + mock.noise_std * draw.standard_normal(block.shape))
        total += np.clip(noisy, LEAST_OUTPUT, MOST_OUTPUT).astype(np.int64)
    return np.clip(total, LEAST_OUTPUT, MOST_OUTPUT)


def measure(run, seed=0, samples=64):
    """The `MockParameter` that describes `run(inputs, weights)`, a chip or a mock, by one block of random products.

    Gain is the slope of output against product, noise the spread about the line, less that of rounding down.

    >>> from functools import partial
    >>> round(measure(partial(multiply, mock=MockParameter(0.003, 1.5))).gain, 4)
    0.003
    """
    draw = np.random.default_rng(seed)
    inputs = draw.integers(0, MOST_INPUT + 1, (samples, ROWS))
    weights = draw.integers(-MOST_WEIGHT, MOST_WEIGHT + 1, (ROWS, ROWS))
    product, found = (inputs @ weights).ravel(), np.asarray(run(inputs, weights), float).ravel()
    inside = (found > LEAST_OUTPUT) & (found < MOST_OUTPUT)
    gain, offset = np.polyfit(product[inside], found[inside], 1)
    spread = np.var(found[inside] - gain * product[inside] - offset) - 1.0 / 12.0
    return MockParameter(float(gain), float(np.sqrt(max(spread, 0.0))))
