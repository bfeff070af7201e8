"""TSSL-BP in continuous time: the forward pass on the event engine, the backward pass over its spikes, nothing in between.

Times in units of `step`, the grid step that the rule was made for. With a_j = sum of e^(-(t - r) / tau_s) / tau_s over the
spikes r of neuron j, and V set to 0 at own spikes,

    tau_m dV_i/dt = -V_i + tau_m sum_j w_ij a_j;   a spike where V_i reaches 1

(w as on the grid). Backwards, from layer to layer, with the spikes t_1 < t_2 < ... of a neuron:

    E(t) = integral from t on of e^(-(s - t) / tau_s) / tau_s g(s) ds;   g = a - a_goal (outputs) or sum_i w_ij D_i (others)
    delta_n = min(1 / V'(t_n), bound) (E(t_n) + D(t_n+) / tau_m)
    D(s) = delta_n e^(-(t_n - s) / tau_m) for t_(n-1) < s <= t_n;   dL/dw_ij = integral of D_i a_j

which is the rule on a grid as its step goes to 0, where 1 / V' keeps its unit (see `grid_constants`), without surrogates. With
them, as on the grid: neurons that are quiet (a < 1 / (4 tau_s)) have no D but at probes, `probe` apart, where the surrogate
enters as an impulse, probe E f(V); and a spike counts as a unit of time, D having an impulse delta_n there. E of the outputs is
in closed form, that of van Rossum's distance. All integrals are closed forms between spikes; the cost is spikes times synapses.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError, ParameterError
from ...jit import kernel
from ..optimisers import Adam, cosine_rate
from .network import Constants

QUIET = 0.25  # of 1 / tau_s
SPIKE, END, PROBE = range(3)  # kinds of events


@kernel
def _respond(x, slow, fast):
    """integral over 0 ... x of e^(-v / fast) e^(-(x - v) / slow) dv."""
    if abs(slow - fast) < 1e-6 * slow:
        return x * math.exp(-x / slow)
    return (math.exp(-x / slow) - math.exp(-x / fast)) * slow * fast / (slow - fast)


@kernel
def _traces(times, neurons, queries, tau_mem, tau_syn, state, a, p):
    """Of every input neuron: `a` [queries, n], and `p` [queries, n], a through tau_mem dp/dt = -p + tau_mem a, at times
    `queries`.

    times, neurons : input spikes; all times ascend. state [3, n] is scratch. An input at the very time of a query counts in a.
    """
    state[:] = 0.0
    n, k = state.shape[1], 0
    for row in range(queries.size):
        while k < times.size and times[k] <= queries[row]:
            j = neurons[k]
            gap = times[k] - state[2, j]
            state[1, j] = state[1, j] * math.exp(-gap / tau_mem) + state[0, j] * _respond(gap, tau_mem, tau_syn)
            state[0, j] = state[0, j] * math.exp(-gap / tau_syn) + 1.0 / tau_syn
            state[2, j] = times[k]
            k += 1
        for j in range(n):
            gap = queries[row] - state[2, j]
            p[row, j] = state[1, j] * math.exp(-gap / tau_mem) + state[0, j] * _respond(gap, tau_mem, tau_syn)
            a[row, j] = state[0, j] * math.exp(-gap / tau_syn)


@kernel
def _heard(times, neurons, height, impulse, queries, tau_mem, tau_syn, state, out):
    """F_i(t) = integral from t on of e^(-(s - t) / tau_syn) / tau_syn D_i(s) ds at times `queries`: `out` [queries, n].

    times, neurons : events of the layer, ascending; height : D just before and at the event (nan leaves it as it flows),
    impulse : what D has there beside. state [3, n] is scratch: F, D and since when. D at t of a spike at t belongs to what is
        before it.
    """
    state[:] = 0.0
    n, k = state.shape[1], times.size - 1
    state[2, :] = max(times[k] if times.size else 0.0, queries[queries.size - 1] if queries.size else 0.0)
    for row in range(queries.size - 1, -1, -1):
        while k >= 0 and times[k] >= queries[row]:
            i = neurons[k]
            gap = state[2, i] - times[k]
            state[0, i] = state[0, i] * math.exp(-gap / tau_syn) + state[1, i] * _respond(gap, tau_mem, tau_syn) / tau_syn
            state[1, i] *= math.exp(-gap / tau_mem)
            state[0, i] += impulse[k] / tau_syn
            if height[k] == height[k]:
                state[1, i] = height[k]
            state[2, i] = times[k]
            k -= 1
        for i in range(n):
            gap = state[2, i] - queries[row]
            out[row, i] = (state[0, i] * math.exp(-gap / tau_syn) + state[1, i] * _respond(gap, tau_mem, tau_syn) / tau_syn)


@dataclass
class Gradients:
    """What `ContinuousNetwork.gradients` returns: `loss`; `weights`, dL/dw per layer [inputs, neurons]; per layer `deltas` of
    its spikes, in the order of the run, and `heights`, V just before them, 1 but for rounding."""

    loss: float
    weights: list
    deltas: list
    heights: list


class ContinuousNetwork:
    """Dense layers of TSSL-BP neurons in continuous time.

    weights : per layer [inputs, neurons], in the unit of the grid's; tau_mem, tau_syn : s; step : s, the unit of 1 / V' and
        `bound`
    probe : s between two probes of quiet neurons; 0: no probes, so silent neurons learn nothing
    width, bound : see `network.Constants`; slopes at an instant may be flatter than the rise over a step, so the bound is lower
    Raises `ParameterError` for values out of range.

    >>> net = ContinuousNetwork([np.array([[3.0]])], tau_mem=5e-3, tau_syn=3e-3, step=1e-3)
    >>> run = net.forward([0.001], [0], until=0.02)
    >>> len(run.spikes["layer0"])
    1
    """

    def __init__(self, weights, *, tau_mem, tau_syn, step, probe=0.0, width=0.2, bound=1.0):
        for name, value in (("tau_mem", tau_mem), ("tau_syn", tau_syn), ("step", step), ("width", width), ("bound", bound)):
            if not 0.0 < value < math.inf:
                raise ParameterError(f"{name} must be finite and > 0, got {value!r}")
        if not 0.0 <= probe < math.inf:
            raise ParameterError(f"probe must be a finite time >= 0 s, got {probe!r}")
        self.weights = [np.array(w, dtype=np.float64) for w in weights]
        sizes = [w.shape for w in self.weights]
        if not sizes or any(len(shape) != 2 for shape in sizes) or any(a[1] != b[0] for a, b in zip(sizes, sizes[1:])):
            raise ParameterError(f"weights must be matrices [inputs, neurons] that fit one another, got shapes {sizes}")
        if not all(np.isfinite(w).all() for w in self.weights):
            raise ParameterError("weights must be finite")
        self.tau_mem, self.tau_syn, self.step, self.probe = float(tau_mem), float(tau_syn), float(step), float(probe)
        self.width, self.bound = float(width), float(bound)

    @property
    def names(self):
        """Names of the layers in the engine."""
        return [f"layer{k}" for k in range(len(self.weights))]

    def to_network(self):
        """This network as an `es.Network` of `es.LIF`; "input", "layer0", ... An input of weight w raises the drive by
        w tau_mem / tau_syn."""
        import eventsnn as es

        net, before = es.Network(), "input"
        net.add("input", es.Input(self.weights[0].shape[0]))
        for name, w in zip(self.names, self.weights):
            net.add(name, es.LIF(w.shape[1], tau_mem=self.tau_mem, tau_syn=self.tau_syn, v_threshold=1.0))
            net.connect(before, name, es.Dense(w * (self.tau_mem / self.tau_syn)))
            before = name
        return net

    def forward(self, times, neurons, until):
        """The `es.Run` of the event engine for input spikes, up to `until` (s). Raises `InputError`."""
        import eventsnn as es

        return es.simulate(self.to_network(), {"input": es.Spikes(times, neurons)}, until=until, progress=False)

    def gradients(self, run, goals, until):
        """`Gradients` of L = 1/2 integral (a - a_goal)^2 dt / step, a of the outputs of `run`; time goes on for ever.

        goals : `es.Spikes`, the target trains; until : s, where probes end. Raises `InputError` for goals of other neurons.
        """
        unit, layers = self.step, [run.spikes["input"], *(run.spikes[name] for name in self.names)]
        if len(goals) and goals.neurons.max() >= self.weights[-1].shape[1]:
            raise InputError(f"goals names neuron {int(goals.neurons.max())}; there are {self.weights[-1].shape[1]} outputs")
        trains = [(spikes.times / unit, spikes.neurons) for spikes in layers]
        goal = goals.times / unit, goals.neurons
        tm, ts = self.tau_mem / unit, self.tau_syn / unit
        probes = np.arange(1, int(until / self.probe + 1e-9) + 1) * (self.probe / unit) if self.probe else np.zeros(0)
        loss = 0.5 * _both(trains[-1], trains[-1], ts) + 0.5 * _both(goal, goal, ts) - _both(trains[-1], goal, ts)
        found, above = Gradients(loss, [], [], []), None
        for w, before, own in zip(self.weights[::-1], trains[-2::-1], trains[:0:-1]):
            layer = _Layer(w, before, own, probes, tm, ts)
            heard = layer.outputs(goal) if above is None else layer.hidden(*above)
            above = layer.adjoint(heard, self.bound, self.width, self.probe / unit), w
            found.weights.insert(0, layer.gradient())
            found.deltas.insert(0, layer.delta)
            found.heights.insert(0, layer.height)
        return found

    def fit(self, inputs, goals, until, *, epochs, rate=1e-2, clip=1.0):
        """Teach `goals` (list of `es.Spikes`) in answer to `inputs` (list of `es.Spikes`) by Adam; returns the loss per epoch.

        The rate falls along half a cosine; the gradient of all samples is cut to the norm `clip`. Weights change in place.
        Raises `InputError` for unequal lists.
        """
        if len(inputs) != len(goals) or not inputs:
            raise InputError(f"inputs and goals must be lists of one length >= 1, got {len(inputs)} and {len(goals)}")
        flat = np.concatenate([w.ravel() for w in self.weights])
        ends = np.cumsum([w.size for w in self.weights])
        optimiser, losses = Adam(flat.size), []
        for epoch in range(epochs):
            parts = [self.gradients(self.forward(x.times, x.neurons, until), y, until) for x, y in zip(inputs, goals)]
            total = sum(np.concatenate([g.ravel() for g in part.weights]) for part in parts)
            total *= min(1.0, clip / (np.linalg.norm(total) + 1e-6))
            optimiser.step(flat, total, cosine_rate(rate, epoch, epochs))
            self.weights = [part.reshape(w.shape) for part, w in zip(np.split(flat.copy(), ends[:-1]), self.weights)]
            losses.append(sum(part.loss for part in parts))
        return losses


def grid_constants(tau_mem, tau_syn, step, grid, steps, bound=8.0):
    """`Constants` of a grid of step `grid` (s) whose rule goes to that of a `ContinuousNetwork` of unit `step` as grid goes to
    0.

    1 / du is of a `grid` step: the bound grows as the step shrinks, and E at spikes is taken in the unit `step`. There are no
    surrogates. Weights and their gradients are the same on both sides; dL/da must be given as (a - a_goal) step / grid.

    >>> grid_constants(5e-3, 3e-3, 1e-3, 1e-4, 300).bound
    80.0
    """
    small = grid / step
    return replace(Constants(), steps=steps, tau_mem=tau_mem / grid, tau_syn=tau_syn / grid, bound=bound / small, factor=small,
                   quiet=0.0)


def _both(a, b, tau):
    """Integral of the product of two filtered sets of trains (times, neurons), neuron by neuron."""
    same = a[1][:, None] == b[1]
    return float((np.exp(-np.abs(a[0][:, None] - b[0]) / tau) * same).sum()) / (2.0 * tau)


def _ends(times, neurons, n, tau):
    """(times, neurons) at which neurons become quiet between two of their spikes."""
    ends, tired, psc, last = [], [], np.zeros(n), np.full(n, -np.inf)
    for time, i in zip(times, neurons):
        if psc[i] > 0.0:
            end = last[i] + tau * math.log(psc[i] * tau / QUIET)
            if end < time:
                ends.append(end)
                tired.append(i)
        psc[i] = psc[i] * math.exp(-(time - last[i]) / tau) + 1.0 / tau
        last[i] = time
    return np.array(ends), np.array(tired, dtype=np.int64)


class _Layer:
    """A layer's events by time, with what they need of the layer before: spikes, probes, and where neurons become quiet."""

    def __init__(self, weights, before, own, probes, tau_mem, tau_syn):
        self.weights, self.tau_mem, self.tau_syn = weights, tau_mem, tau_syn
        n = weights.shape[1]
        times, neurons = own
        at, who, self.probed = np.repeat(probes, n), np.tile(np.arange(n), probes.size), probes.size > 0
        ends, tired = _ends(times, neurons, n, tau_syn) if self.probed else (np.zeros(0), np.zeros(0, np.int64))
        self.times, self.neurons = np.concatenate([times, ends, at]), np.concatenate([neurons, tired, who])
        kind = np.repeat([SPIKE, END, PROBE], [times.size, ends.size, at.size])
        order = np.argsort(self.times, kind="stable")
        self.times, self.neurons, self.kind = self.times[order], self.neurons[order], kind[order]
        self.spike = self.kind == SPIKE
        moments, self.moment = np.unique(self.times, return_inverse=True)
        a, p = (np.empty((moments.size, weights.shape[0])) for _ in range(2))
        _traces(*before, moments, tau_mem, tau_syn, np.empty((3, weights.shape[0])), a, p)
        self.a, self.p, inner = a, p, p @ weights
        self.drive = (a @ weights)[self.moment, self.neurons]  # dV/dt is this minus V / tau_mem
        psc, unused = (np.empty((moments.size, n)) for _ in range(2))
        _traces(*own, moments, tau_mem, tau_syn, np.empty((3, n)), psc, unused)
        self.psc = psc[self.moment, self.neurons]
        self.v, self.last = np.empty(self.times.size), np.full(self.times.size, -1)
        latest = np.full(n, -1)
        for k, (i, m) in enumerate(zip(self.neurons, self.moment)):
            before_it = latest[i]
            self.v[k], self.last[k] = inner[m, i], before_it
            if before_it >= 0:
                gap = self.times[k] - self.times[before_it]
                self.v[k] -= math.exp(-gap / tau_mem) * inner[self.moment[before_it], i]
            if self.spike[k]:
                latest[i] = k
        self.height = self.v[self.spike]
        quiet = QUIET / tau_syn  # whether a spike comes before the neuron is quiet again
        self.active = np.where(self.spike, self.psc - 1.0 / tau_syn >= quiet, False)

    def outputs(self, goal):
        """E at all events, of outputs with targets `goal`."""
        own = self.times[self.spike], self.neurons[self.spike]
        heard = np.zeros(self.times.size)
        for (times, neurons), sign in ((own, 1.0), (goal, -1.0)):
            near = np.exp(-np.abs(self.times[:, None] - times) / self.tau_syn) * (self.neurons[:, None] == neurons)
            heard += sign * near.sum(axis=1) / (2.0 * self.tau_syn)
        return heard

    def hidden(self, above, weights):
        """E at all events, from the events (times, neurons, height, impulse) of the layer above and its `weights`."""
        moments, n = np.unique(self.times), weights.shape[1]
        out = np.empty((moments.size, n))
        _heard(*above, moments, self.tau_mem, self.tau_syn, np.empty((3, n)), out)
        return (out @ weights.T)[self.moment, self.neurons]

    def adjoint(self, heard, bound, width, probe):
        """(times, neurons, height, impulse) of D, given E at all events; keeps `delta` of the spikes."""
        n = self.times.size
        self.jump, self.impulse, deltas = np.full(n, np.nan), np.zeros(n), np.zeros(n)
        following = np.full(self.weights.shape[1], -1)
        for k in range(n - 1, -1, -1):
            i, after = self.neurons[k], following[self.neurons[k]]
            later = 0.0 if after < 0 else deltas[after] * math.exp(-(self.times[after] - self.times[k]) / self.tau_mem)
            if self.spike[k]:
                slope = self.drive[k] - self.v[k] / self.tau_mem
                steep = bound if slope <= 1.0 / bound else 1.0 / slope
                deltas[k] = steep * (heard[k] + self.v[k] * later / self.tau_mem)
                self.jump[k] = deltas[k]
                if self.probed:
                    self.impulse[k] = deltas[k]
                    if not self.active[k]:
                        self.jump[k] = 0.0
                following[i] = k
            elif self.kind[k] == END:
                self.jump[k] = later
            elif self.psc[k] < QUIET / self.tau_syn:
                z = math.exp(min(max((1.0 - self.v[k]) / width, -8.0), 8.0))
                self.impulse[k] = probe * heard[k] * z / (width * (1.0 + z)**2)
        self.delta = deltas[self.spike]
        return self.times, self.neurons, self.jump, self.impulse

    def gradient(self):
        """dL/dw [inputs, neurons]: D meets what came in since the last spike, impulses what is there."""
        size = np.nan_to_num(self.jump)
        grown = np.zeros((self.weights.shape[1], self.p.shape[0]))
        np.add.at(grown, (self.neurons, self.moment), size)
        earlier = self.last >= 0
        gap = self.times[earlier] - self.times[self.last[earlier]]
        np.add.at(grown, (self.neurons[earlier], self.moment[self.last[earlier]]), -size[earlier] * np.exp(-gap / self.tau_mem))
        probed = np.zeros_like(grown)
        np.add.at(probed, (self.neurons, self.moment), self.impulse)
        return (grown @ self.p + probed @ self.a).T
