"""Strategies for one semantics: `reference` (pure Python), `heap`, `layered`. `choose` picks for "auto"."""

from ..errors import NetworkError, NotAvailableError, unknown_name
from ..model.graph import find_cycle

NAMES = ("reference", "heap", "layered", "window")


def cycle_of(lowered):
    """Names of the populations on one cycle of the network, or None."""
    edges = lowered.edges()
    cycle = find_cycle(len(lowered.names), edges)
    return [lowered.names[p] for p in cycle] if cycle else None


def choose(name, lowered):
    """The scheduler class for `name`; "auto" takes `layered` for acyclic networks, else `heap`.

    Raises `NetworkError` for a cycle under "layered" (naming it), `NotAvailableError` for "window".
    """
    if name == "auto":
        name = "heap" if cycle_of(lowered) else "layered"
    if name not in NAMES:
        raise unknown_name("scheduler", name, ("auto", *NAMES))
    if name == "window":
        raise NotAvailableError("scheduler 'window' is not available in this version; use 'auto' or 'heap'")
    if name == "layered":
        cycle = cycle_of(lowered)
        if cycle:
            raise NetworkError(f"scheduler 'layered' needs a network without cycles, but there is "
                               f"{' -> '.join([*cycle, cycle[0]])}; use 'heap' or 'auto'")
        from .layered import Layered
        return Layered
    if name == "heap":
        from .heap import Heap
        return Heap
    from .reference import Reference
    return Reference
