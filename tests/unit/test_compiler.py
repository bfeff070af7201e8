"""What makes compiling fast changes nothing: kernels from the cache are complete, operators keep their types."""

import os
import subprocess
import sys

import numpy as np

from eventsnn.jit import inner, kernel

SCRIPT = """
from eventsnn.jit import inner, kernel
from eventsnn.kernels import elementary

@inner
def inside(z):
    return elementary.expm1_over(z) + 1.0

@kernel
def outside(z):
    return inside(z)

if {nested}:
    outside(0.5)
print(elementary.expm1_over(0.5))
"""


def run(folder, nested):
    path = folder / f"script_{nested}.py"
    path.write_text(SCRIPT.format(nested=nested))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True,
                          env=os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache")})
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    return float(done.stdout)


def test_a_kernel_loaded_for_an_inner_function_can_be_called(tmp_path):
    """It was compiled by another process, and an inner function that is being compiled is the first to ask for it."""
    first = run(tmp_path, False)
    assert run(tmp_path, True) == first


@kernel
def mixed(a, b, i, j):
    return a * b + a / j, i * j - i // j, i / j, a < i, i == j, -i % 5


def test_operators_keep_their_types():
    for values in ((2.5, 3.5, 7, 2), (2.5, 3, 7, 2), (2, 3, -7, 2), (np.float32(0.5), 2, 7, 3), (True, 2.0, 7, 3)):
        got = mixed(*values)
        assert got == mixed.py_func(*values)
        assert [type(x) for x in got] == [float, int, float, bool, bool, int]


@inner
def half(x):
    return 0.5 * x


@kernel
def quarter(x):
    return half(half(x))


def test_inner_functions_are_linked():
    assert quarter(8.0) == 2.0
