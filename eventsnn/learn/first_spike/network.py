"""A feed-forward network of LIF layers in which the first spikes carry everything.

Source: Goeltz et al., "Fast and energy-efficient neuromorphic deep learning with first-spike times", Nature Machine
Intelligence 3 (2021). All times are in units of tau_syn; C = 1, leak potential 0.
"""

import math
from typing import NamedTuple

import numpy as np

from ...data.yin_yang import BIAS_TIME
from ...errors import InputError, ParameterError
from ...types import Spikes
from .backward import backward_rows, backward_synaptic, prepare_samples, scratch
from .forward import AXONAL, DENDRITIC, NONE, SYNAPTIC, delays_of, forward_samples

NEAREST_RATIO = 1e-3  # ratios this close to 1 lose digits: take 1
SMALL = 20_000  # pairs of samples and weights below which threads cost more than they bring


KINDS = {None: NONE, "axonal": AXONAL, "dendritic": DENDRITIC, "synaptic": SYNAPTIC}


class Gradients(NamedTuple):
    """Derivatives of a loss: `weights` [n_weights] and `delays` [n_delays], flat like `flat` and `lags`; `inputs` [n, n_in]."""

    weights: np.ndarray
    delays: np.ndarray
    inputs: np.ndarray | None


class FirstSpikeNetwork:
    """A feed-forward stack of LIF layers in which every neuron spikes at most once.

    `weights`: one [n_source, n_target] float64 matrix per layer; where `bias_times[l]` is a time (not None), the last
    row of matrix l belongs to a bias input that spikes then. `tau_ratio` = tau_mem / tau_syn is any number > 0, but within
    0.001 of 1 only 1 itself; `theta` > 0. `delays` (units of tau_syn, >= 0), where given, holds for every layer None or an
    array: a matrix like the weights (one per synapse), or a pair ("axonal", [n_source]) or ("dendritic", [n_target]).
    Source of learned delays: Goeltz et al., DelGrad (2025). `tau_factors` [n_neurons, 2], where given, multiply tau_mem and
    tau_syn of every neuron, layer by layer; gradients are then those of the network without them, at the times it gave.

    Raises `ParameterError` for shapes that do not fit, weights that are not finite, and parameters out of range.

    >>> net = FirstSpikeNetwork([np.full((2, 1), 2.0)], bias_times=(None,))
    >>> net.forward([[0.0, 0.1]])[-1].round(6)
    array([[0.410596]])
    """

    def __init__(self, weights, *, tau_ratio=1, bias_times=(BIAS_TIME, BIAS_TIME), theta=1.0,
                 delays=None, tau_factors=None):
        weights = [np.asarray(w, dtype=np.float64) for w in weights]
        if not 0.0 < tau_ratio < math.inf or 0.0 < abs(tau_ratio - 1.0) < NEAREST_RATIO:
            raise ParameterError(f"tau_ratio must lie in (0, inf), and be 1 if it is within {NEAREST_RATIO} of 1, "
                                 f"got {tau_ratio!r}")
        if not 0.0 < theta < math.inf:
            raise ParameterError(f"theta must lie in (0, inf), got {theta!r}")
        if not weights or len(bias_times) != len(weights):
            raise ParameterError(
                f"bias_times must have one entry per weight matrix, got {len(bias_times)} for {len(weights)}"
            )
        for k, w in enumerate(weights):
            if w.ndim != 2 or 0 in w.shape or not np.isfinite(w).all():
                raise ParameterError(f"weights[{k}] must be a finite matrix, not empty, got shape {w.shape}")
            if bias_times[k] is not None and not -math.inf < bias_times[k] < math.inf:
                raise ParameterError(f"bias_times[{k}] must be None or finite, got {bias_times[k]!r}")
        self.tau_ratio, self.theta = float(tau_ratio), float(theta)
        self.bias_times = tuple(None if b is None else float(b) for b in bias_times)
        self.n_in = weights[0].shape[0] - (self.bias_times[0] is not None)
        self.fan_in = np.array([w.shape[0] for w in weights])
        self.fan_out = np.array([w.shape[1] for w in weights])
        expected = self.fan_out[:-1] + [b is not None for b in self.bias_times[1:]]
        if self.n_in < 1 or (self.fan_in[1:] != expected).any():
            raise ParameterError(f"weights must chain (with a bias row where there is a bias time), got shapes "
                                 f"{[w.shape for w in weights]} for bias_times {self.bias_times}")
        self.flat = np.concatenate([w.ravel() for w in weights])
        self.kinds, self.lags = self._take_delays(delays)
        self.tau_factors = self._take_factors(tau_factors)

    def _take_factors(self, factors):
        if factors is None:
            return np.zeros((0, 2))
        factors = np.ascontiguousarray(factors, np.float64)
        if factors.shape != (self.fan_out.sum(), 2) or not (np.isfinite(factors) & (factors > 0.0)).all():
            raise ParameterError(f"tau_factors must be finite, > 0 and of shape {(int(self.fan_out.sum()), 2)}, "
                                 f"got shape {factors.shape}")
        return factors

    def _take_delays(self, delays):
        """(kind of each layer, all delays one after the other)."""
        delays = [None] * self.fan_in.size if delays is None else list(delays)
        if len(delays) != self.fan_in.size:
            raise ParameterError(f"delays must have one entry per layer, got {len(delays)} for {self.fan_in.size}")
        kinds, parts = [], [np.zeros(0)]
        for k, entry in enumerate(delays):
            name, values = entry if isinstance(entry, tuple) else (None if entry is None else "synaptic", entry)
            if name not in KINDS:
                raise ParameterError(f"delays[{k}] must be None, a matrix, or a pair of 'axonal', 'dendritic' or 'synaptic' "
                                     f"and an array, got {name!r}")
            kinds.append(KINDS[name])
            if entry is None:
                continue
            n, m = int(self.fan_in[k]), int(self.fan_out[k])
            shape = {AXONAL: (n,), DENDRITIC: (m,), SYNAPTIC: (n, m)}[kinds[-1]]
            values = np.asarray(values, np.float64)
            if values.shape != shape or not np.isfinite(values).all() or values.min() < 0.0:
                raise ParameterError(f"delays[{k}] must be finite, >= 0 and of shape {shape}, got shape {values.shape}")
            parts.append(values.ravel())
        return np.array(kinds), np.concatenate(parts)

    @property
    def delays(self):
        """The delays of every layer: None, or (kind, view into `lags`)."""
        names, found, at = {v: k for k, v in KINDS.items()}, [], 0
        for kind, n, m in zip(self.kinds.tolist(), self.fan_in.tolist(), self.fan_out.tolist()):
            size = delays_of(kind, n, m)
            part = self.lags[at:at + size]
            found.append(None if kind == NONE else (names[kind], part.reshape(n, m) if kind == SYNAPTIC else part))
            at += size
        return found

    @property
    def weights(self):
        """The weight matrices, one [n_source (+ 1 bias row), n_target] view per layer."""
        ends = np.cumsum(self.fan_in * self.fan_out)
        return [w.reshape(a, b) for w, a, b in zip(np.split(self.flat, ends[:-1]), self.fan_in, self.fan_out)]

    def record(self, times):
        """An array [n, sum of fan-ins + outputs + neurons] with inputs and bias spikes filled in, as the kernels use it."""
        times = np.asarray(times, dtype=np.float64)
        if times.ndim != 2 or times.shape[1] != self.n_in:
            raise InputError(f"times must have shape [n, {self.n_in}], got {times.shape}")
        if np.isnan(times).any() or (times == -math.inf).any():
            raise InputError("times must be finite or inf (never)")
        record = np.full((times.shape[0], self.fan_in.sum() + self.fan_out[-1] + self.fan_out.sum()), np.inf)
        record[:, : self.n_in] = times
        for end, bias in zip(np.cumsum(self.fan_in), self.bias_times):
            if bias is not None:
                record[:, end - 1] = bias
        return record

    def layers(self, record):
        """The output times [n, fan_out] of every layer as views into `record`."""
        starts = np.cumsum(self.fan_in)
        return [record[:, a : a + m] for a, m in zip(starts, self.fan_out)]

    def speeds(self, record):
        """V' [n, fan_out] at the spikes of every layer as views into a filled `record`; 0 where there is none."""
        starts = record.shape[1] - self.fan_out.sum() + np.concatenate([[0], np.cumsum(self.fan_out)])
        return [record[:, a : a + m] for a, m in zip(starts, self.fan_out)]

    def fill(self, record, pool=None, threads=1, noise=None):
        """Compute all spike times of `record` in place; samples are independent, so threads cannot change them.

        noise [n, n_neurons], if given, is added to the spike times, layer by layer.
        """
        noise = np.zeros((0, 0)) if noise is None else noise
        edges = np.linspace(0, record.shape[0], threads + 1).astype(int)
        _spread(pool, edges, lambda a, b: forward_samples(
            record, a, b, self.fan_in, self.fan_out, self.flat, self.kinds, self.lags, self.tau_factors, noise,
            1.0 / self.tau_ratio, self.theta))
        return record

    def forward(self, times):
        """Spike times of every layer, a list of [n, fan_out] arrays, for input `times` [n, n_in]; inf = no spike.

        Raises `InputError` for a wrong shape, NaN or -inf.
        """
        return [t.copy() for t in self.layers(self.fill(self.record(times)))]

    def predict(self, times):
        """Class [n] int64 of each sample: the first output to spike, or -1 if none does."""
        return first_to_spike(self.forward(times)[-1])

    def gradient(self, record, delta, limit=math.inf, pool=None, threads=1):
        """dL/dw [n_weights]: the weights of `gradients`."""
        return self.gradients(record, delta, limit, pool, threads).weights

    def gradients(self, record, delta, limit=math.inf, pool=None, threads=1, inputs=False):
        """`Gradients` for `delta` [n, classes] = dL/dt of the outputs in a filled `record`; dL/dt of the inputs with `inputs`.

        `limit` is the guard on |dL/dw| of one sample (see `Config.max_gradient`). The same bits for any `threads`.
        """
        memory = scratch(record.shape[0], int(self.fan_out.max()))
        grad, lag_grad, end = np.empty(self.flat.size), np.zeros(self.lags.size), self.lags.size
        for layer in range(self.fan_in.size - 1, -1, -1):
            end -= delays_of(self.kinds[layer], self.fan_in[layer], self.fan_out[layer])
            delta = self._layer_gradient(record, layer, delta, limit, layer > 0 or inputs, memory, grad, lag_grad, end, pool,
                                         threads)
        return Gradients(grad, lag_grad, delta[:, : self.n_in] if inputs else None)

    def _layer_gradient(self, record, layer, delta, limit, through, memory, grad, lag_grad, begin, pool, threads):
        """Fill the parts of `grad` and `lag_grad` that belong to `layer`; returns dL/dt of its inputs if `through`."""
        c, samples, kind = 1.0 / self.tau_ratio, record.shape[0], int(self.kinds[layer])
        n, m = int(self.fan_in[layer]), int(self.fan_out[layer])
        at, first = int(self.fan_in[:layer].sum()), int((self.fan_in * self.fan_out)[:layer].sum())
        speeds = record.shape[1] - int(self.fan_out[layer:].sum())
        through = through or kind in (AXONAL, SYNAPTIC)
        below = np.empty((samples, n if through else 0))
        if samples * n * m < SMALL:
            pool, threads = None, 1
        _spread(pool, np.linspace(0, samples, threads + 1).astype(int), lambda a, b: prepare_samples(
            record, at, n, m, speeds, delta, c, limit, kind, self.lags, begin, a, b, *memory))
        rows = np.linspace(0, n, threads + 1).astype(int)
        if kind == SYNAPTIC:
            _spread(pool, rows, lambda a, b: backward_synaptic(
                record, at, m, c, self.flat, first, self.lags, begin, a, b, memory[0], grad, lag_grad, below))
            return below
        _spread(pool, rows, lambda a, b: backward_rows(
            record, at, m, c, self.flat, first, kind, self.lags, begin, a, b, *memory, grad, below, through))
        if kind == AXONAL:
            lag_grad[begin:begin + n] = below.sum(axis=0)
        elif kind == DENDRITIC:
            passed, times = delta[:, :m], record[:, at + n:at + n + m]  # the bias of the next layer has no delay here
            lag_grad[begin:begin + m] = np.where(np.isfinite(times) & np.isfinite(passed), passed, 0.0).sum(axis=0)
        return below

    def to_network(self, tau_syn=6e-3):
        """The same network for the event-driven engine, with `tau_syn` in seconds.

        Input populations "input" (a bias neuron of the first layer last) and "bias", "bias2", ... (one neuron, for
        the later layers that have a bias) feed LIF populations "hidden" ("hidden2", ...) and "output", which spike
        once (t_ref = inf). The engine's drive is in units of the potential, so its weights are w tau_mem / tau_syn.

        Raises `ParameterError` unless tau_syn is finite and > 0.
        """
        import eventsnn as es

        _check_tau(tau_syn)
        net = es.Network()
        net.add("input", es.Input(int(self.fan_in[0])))
        source, names = "input", self.layer_names()
        lags = [tau_syn * _as_matrix(entry, w.shape) for entry, w in zip(self.delays, self.weights)]
        for k, (name, matrix) in enumerate(zip(names, self.weights)):
            mem, syn = self._tau_factors_of(k)
            neuron = dict(tau_mem=self.tau_ratio * tau_syn * mem, tau_syn=tau_syn * syn, v_threshold=self.theta, t_ref=math.inf)
            net.add(name, es.LIF(matrix.shape[1], v_leak=0.0, v_reset=0.0, **neuron))
            scaled, lag = self.tau_ratio * matrix * mem, lags[k]
            if k and self.bias_times[k] is not None:
                net.add(_bias_name(k), es.Input(1))
                _connect(net, source, name, scaled[:-1], lag[:-1])
                _connect(net, _bias_name(k), name, scaled[-1:], lag[-1:])
            else:
                _connect(net, source, name, scaled, lag)
            source = name
        return net

    def _tau_factors_of(self, layer):
        """(of tau_mem, of tau_syn) of the neurons of a layer: arrays [fan_out], or 1."""
        if not self.tau_factors.size:
            return 1.0, 1.0
        first = int(self.fan_out[:layer].sum())
        return self.tau_factors[first:first + int(self.fan_out[layer])].T

    def layer_names(self):
        """Names of the layers in `to_network`: "hidden", "hidden2", ..., "output"."""
        hidden = ["hidden" if k == 0 else f"hidden{k + 1}" for k in range(self.fan_in.size - 1)]
        return [*hidden, "output"]

    def encode_spikes(self, sample_times, tau_syn=6e-3):
        """One sample's input times [n_in] (units of tau_syn) as the engine's inputs: a dict of `es.Spikes` in seconds.

        Raises `InputError` for a wrong shape and `ParameterError` unless tau_syn is finite and > 0.
        """
        _check_tau(tau_syn)
        row = self.record(np.asarray(sample_times, dtype=np.float64)[None])[0]
        first = row[: self.fan_in[0]]
        spikes = {"input": Spikes(first * tau_syn, np.arange(first.size))}
        for k, bias in enumerate(self.bias_times):
            if k and bias is not None:
                spikes[_bias_name(k)] = Spikes([bias * tau_syn], [0])
        return spikes


def _spread(pool, edges, work):
    if pool is None:
        work(int(edges[0]), int(edges[-1]))
    else:
        list(pool.map(work, edges[:-1].tolist(), edges[1:].tolist()))


def first_to_spike(outputs):
    """Index [n] of the earliest finite time in each row of `outputs` [n, classes]; -1 where all are inf.

    >>> first_to_spike(np.array([[2.0, 1.0], [np.inf, np.inf]]))
    array([ 1, -1])
    """
    return np.where(np.isfinite(outputs).any(axis=1), outputs.argmin(axis=1), -1)


def _as_matrix(entry, shape):
    """Delays of a layer, one per synapse."""
    if entry is None:
        return np.zeros(shape)
    kind, values = entry
    return np.broadcast_to(values[:, None] if kind == "axonal" else values, shape)


def _connect(net, source, target, weights, delays):
    import eventsnn as es

    if (delays == delays.flat[0]).all():
        net.connect(source, target, es.Dense(weights, delay=float(delays.flat[0])))
        return
    n, m = weights.shape
    net.connect(source, target, es.Sparse(np.repeat(np.arange(n), m), np.tile(np.arange(m), n), weight=weights.ravel(),
                                          delay=np.ascontiguousarray(delays).ravel()))


def _bias_name(layer):
    return "bias" if layer == 1 else f"bias{layer}"


def _check_tau(tau_syn):
    if not 0.0 < tau_syn < math.inf:
        raise ParameterError(f"tau_syn must lie in (0, inf) seconds, got {tau_syn!r}")
