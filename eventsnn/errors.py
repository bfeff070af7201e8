"""Exceptions: one type per kind of mistake, each a subclass of the built-in a user would expect."""

from difflib import get_close_matches


class EventsnnError(Exception):
    """Root of every error that eventsnn raises on purpose."""


class ParameterError(EventsnnError, ValueError):
    """A parameter has a value outside its allowed range."""


class NetworkError(EventsnnError, ValueError):
    """The network as a whole cannot be built or run (cycles, shapes, missing populations)."""


class InputError(EventsnnError, ValueError):
    """Input spikes or run arguments are not valid."""


class UnknownNameError(EventsnnError, KeyError):
    """A population, projection, profile, experiment or key that does not exist."""

    def __str__(self):
        return self.args[0] if self.args else ""


class FormatError(EventsnnError, OSError):
    """A file is damaged, of another kind, or from a newer version."""


class RunawayError(EventsnnError, RuntimeError):
    """Neurons went on spiking within one instant beyond ``max_rounds``."""


class NotAvailableError(EventsnnError, RuntimeError):
    """A feature named in the API that this version cannot do."""


class MissingExtraError(EventsnnError, ImportError):
    """An optional dependency is not installed."""


def unknown_name(kind, name, known):
    """Build the error for an unknown `name`, with the nearest of the `known` ones.

    >>> str(unknown_name("population", "exk", ["exc", "inh"]))
    "unknown population 'exk'; did you mean 'exc'? Known: exc, inh"
    """
    known = [str(k) for k in known]
    close = get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(known) if known else '(none)'}")
