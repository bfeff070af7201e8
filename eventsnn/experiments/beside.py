"""Compile the engine in a second process while this one trains: on a first run neither need wait for the other."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from ..jit import cache_dir
from .config import cores

KERNEL = "heap.run_heap*.nbi"  # what the cache holds once the engine has been compiled


def compiled():
    """Whether the engine lies in the cache of compiled kernels, or there is no cache to put it into."""
    folder = cache_dir()
    return not folder or any(Path(folder).rglob(KERNEL))


@contextmanager
def compiling():
    """Compile the engine beside the body, where there is a second core and it has not been compiled before.

    >>> from eventsnn.experiments.beside import compiling
    >>> with compiling():
    ...     pass  # train
    """
    if compiled() or cores() < 2:
        yield
        return
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([sys.executable, "-P", "-c", "from eventsnn.experiments.warmup import samples; samples()"],
                             stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
        child.wait()
    finally:
        child.kill()
        child.wait()
