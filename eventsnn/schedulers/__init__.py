"""Strategies for one semantics: `reference` (pure Python), `heap`, `window`. `choose` picks for "auto"."""

from ..errors import NetworkError, unknown_name
from ..model.graph import find_cycle

NAMES = ("reference", "heap", "layered", "window")


def cycle_of(lowered):
    """Names of the populations on one cycle of the network, or None."""
    edges = lowered.edges()
    cycle = find_cycle(len(lowered.names), edges)
    return [lowered.names[p] for p in cycle] if cycle else None


def choose(name, lowered):
    """The scheduler class for `name`; "auto" takes `window` unless a cycle has no delay, then `heap`.

    Raises `NetworkError` for a cycle under "layered" and for one without delay under "window", naming it.
    """
    if name == "auto":
        from .window import longest_window
        name = "window" if longest_window(lowered) > 0.0 else "heap"
    if name not in NAMES:
        raise unknown_name("scheduler", name, ("auto", *NAMES))
    if name in ("window", "layered"):
        from .window import Layered, Window, longest_window
        if name == "window" and longest_window(lowered) > 0.0:
            return Window
        cycle = cycle_of(lowered)
        if not cycle:
            return Layered if name == "layered" else Window
        what = "without cycles" if name == "layered" else "whose cycles all have a delay"
        raise NetworkError(f"scheduler {name!r} needs a network {what}, but there is {' -> '.join([*cycle, cycle[0]])}; "
                           f"use 'heap' or 'auto'")
    if name == "heap":
        from .heap import Heap
        return Heap
    from .reference import Reference
    return Reference
