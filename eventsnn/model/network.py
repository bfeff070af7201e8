"""Network: named populations and projections, checked as they are added."""

from dataclasses import dataclass

import numpy as np

from ..errors import NetworkError, ParameterError, unknown_name
from .grid_neurons import GridNeuron
from .neurons import LinearNeuron
from .sources import Input, Poisson


@dataclass(frozen=True)
class Projection:
    """One connection object between two populations, at a port of the target."""

    name: str
    source: str
    target: str
    connection: object
    port: int


class Network:
    """Populations (`add`) and projections (`connect`), in the order given; that order settles ties between events.

    >>> import eventsnn as es
    >>> net = es.Network()
    >>> net.add("input", es.Input(2))
    >>> net.add("exc", es.LIF(3, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
    >>> net.connect("input", "exc", es.Dense([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    >>> list(net.projections)
    ['input->exc']
    """

    def __init__(self):
        self.populations = {}
        self.projections = {}

    def add(self, name, population):
        """Add `population` (`LIF`, `Input`, ... ) under `name`. Raises `NetworkError` if the name is taken."""
        if not isinstance(name, str) or not name or "/" in name:
            raise NetworkError(f"name of a population must be a non-empty string without '/', got {name!r}")
        if name in self.populations:
            raise NetworkError(f"population {name!r} exists already")
        if not isinstance(population, (LinearNeuron, GridNeuron, Input, Poisson)):
            raise NetworkError(f"population {name!r} must be a LinearNeuron (LIF, IF, LI, AdaptiveLIF, ASNN), GridNeuron, "
                               f"Input or Poisson, got {type(population).__name__}")
        self.populations[name] = population

    def connect(self, source, target, connection, *, port=0, name=None):
        """Connect population `source` to `target` with a connection object (`Sparse`, `Dense`, ...) at `port`.

        `name` defaults to "source->target", made unique. Raises `UnknownNameError` for unknown populations,
        `NetworkError` for targets that take no input, `ParameterError` for bad ports, weights, delays and ids.
        """
        for end in (source, target):
            if end not in self.populations:
                raise unknown_name("population", end, self.populations)
        receiver = self.populations[target]
        if not isinstance(receiver, LinearNeuron | GridNeuron):
            raise NetworkError(f"population {target!r} is {receiver.kind} and takes no connections")
        if name is None:
            name, k = f"{source}->{target}", 2
            while name in self.projections:
                name, k = f"{source}->{target}#{k}", k + 1
        elif name in self.projections:
            raise NetworkError(f"projection {name!r} exists already")
        if isinstance(port, bool) or not isinstance(port, (int, np.integer)) or not 0 <= port < receiver.n_ports:
            raise ParameterError(f"port of projection {name!r} is {port!r}; population {target!r} has ports 0 to "
                                 f"{receiver.n_ports - 1}")
        if not hasattr(connection, "build"):
            raise ParameterError(f"connection of projection {name!r} must be Sparse, Dense, OneToOne or a Random rule, "
                                 f"got {type(connection).__name__}")
        connection.validate(self.populations[source].n, receiver.n, f"projection {name!r}", source == target)
        self.projections[name] = Projection(name, source, target, connection, port)

    def __repr__(self):
        return f"Network({len(self.populations)} populations, {len(self.projections)} projections)"
