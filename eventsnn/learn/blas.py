"""Matrix products on one thread: OpenBLAS sums in another order for another number of threads, and bits would depend on it."""

import ctypes
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")
_lock = threading.Lock()
_inside = [0, 0]  # how many contexts are open; the number of threads before the first of them


@cache
def _switch():
    """(set, get) of the number of threads of NumPy's OpenBLAS, or None where NumPy uses another library."""
    package = Path(np.__file__).parent
    found = {path for folder in (package.parent / "numpy.libs", package / ".dylibs") if folder.is_dir()
             for path in folder.glob("*openblas*")}
    for path in sorted(found):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for form in NAMES:
            if hasattr(library, form.format("set_num_threads")):
                return getattr(library, form.format("set_num_threads")), getattr(library, form.format("get_num_threads"))
    return None


@contextmanager
def one_thread():
    """Within this context OpenBLAS computes with one thread per call, in any thread of the process.

    Other libraries are left as they are: set their own variable (such as MKL_NUM_THREADS=1) if bits must not depend on it.

    >>> with one_thread():
    ...     float((np.ones((2, 2)) @ np.ones((2, 2))).sum())
    8.0
    """
    switch = _switch()
    if switch is None:
        yield
        return
    with _lock:
        if _inside[0] == 0:
            _inside[1] = switch[1]()
            switch[0](1)
        _inside[0] += 1
    try:
        yield
    finally:
        with _lock:
            _inside[0] -= 1
            if _inside[0] == 0:
                switch[0](_inside[1])
