"""Matrix products on one thread: OpenBLAS sums in another order for another number of threads, and bits would depend on it."""

import ctypes
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

FORMS = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")
_lock = threading.Lock()
_users = [0, 0]  # calls that want one thread now; the number of threads before the first of them


@cache
def _switch():
    """(set, get) of the number of threads of NumPy's OpenBLAS, or None where NumPy uses something else."""
    folders = (Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs")
    found = {str(path) for folder in folders if folder.is_dir() for path in folder.glob("*openblas*")}
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = (line.split() for line in maps.read_text().splitlines())
        found |= {line[5] for line in lines if len(line) > 5 and "openblas" in Path(line[5]).name}
    for path in sorted(found):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for form in FORMS:
            if hasattr(library, form.format("set_num_threads")):
                return getattr(library, form.format("set_num_threads")), getattr(library, form.format("get_num_threads"))
    return None


@contextmanager
def one_thread():
    """Within this context, in any thread of the process, OpenBLAS computes with one thread per call.

    Other libraries than OpenBLAS are left as they are: with them set their own variable for one thread (MKL_NUM_THREADS=1) if
    results must not depend on it.

    >>> with one_thread():
    ...     float((np.ones((2, 2)) @ np.ones((2, 2))).sum())
    8.0
    """
    switch = _switch()
    if switch is None:
        yield
        return
    with _lock:
        if _users[0] == 0:
            _users[1] = switch[1]()
            switch[0](1)
        _users[0] += 1
    try:
        yield
    finally:
        with _lock:
            _users[0] -= 1
            if _users[0] == 0:
                switch[0](_users[1])
