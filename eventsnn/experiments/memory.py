"""Memory that this process has used."""

import sys


def peak_memory():
    """Largest resident size of this process so far, in bytes, or None where the system does not tell.

    >>> peak_memory() is None or peak_memory() > 1_000_000
    True
    """
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # not on Windows
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
