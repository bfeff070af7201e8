"""DECOLLE event by event: one layer in float64 that does something only when a spike comes, when it fires, and at timers.

Traces of inputs are brought up to date only when they are needed; the weighted sums p = W P and q = W Q of a neuron follow from
arrivals alone. A change D of W makes them wrong, and is corrected for at once: it adds D P to p and D Q to q.
Between events k steps are one formula, with kappa = (1 - alpha) q / (alpha - beta):

    q <- beta^k q;      p <- alpha^k (p + kappa) - beta^k kappa;      r <- gamma^k r
"""

import numpy as np

from ...errors import ParameterError


class OnlineLayer:
    """A dense layer that learns by stochastic gradient descent whenever a timer calls `learn`.

    Its state are three numbers per input and five per neuron, however long it runs.

    network : `DecolleNetwork`; layer : which of its dense layers, whose weights are copied; rate : of the descent
    error_threshold : see `Config`. Raises `ParameterError` for a convolution or equal decays.

    >>> from .network import DecolleNetwork
    >>> layer = OnlineLayer(DecolleNetwork.draw((4,), [3], 2, np.random.default_rng(0)), 0, rate=0.0)
    >>> layer.arrive(0, [1, 2]); layer.fired(5).dtype
    dtype('bool')
    """

    def __init__(self, network, layer, rate, error_threshold=0.0):
        stage, c = network.stages[layer], network.constants
        if stage.kernel:
            raise ParameterError(f"layer must be a dense one, but layer {layer} is a convolution")
        if c.alpha == c.beta:
            raise ParameterError(f"alpha and beta must differ, got {c.alpha!r} for both")
        self.weights, self.bias = network.weights[layer].copy(), network.biases[layer].copy()
        self.g, self.offset = network.readouts[layer]
        self.constants, self.rate, self.error_threshold = c, float(rate), float(error_threshold)
        n, n_in = self.weights.shape
        self.P, self.Q, self.since = np.zeros(n_in), np.zeros(n_in), np.full(n_in, -1)  # noqa: N803
        self.p, self.q, self.r, self.now = np.zeros(n), np.zeros(n), np.zeros(n), -1
        self.u, self.spikes = np.full(n, -np.inf), np.zeros(n, bool)

    def _passed(self, p, q, k):
        """(p, q) after k steps without arrivals."""
        c = self.constants
        kappa = (1.0 - c.alpha) * q / (c.alpha - c.beta)
        return c.alpha ** k * (p + kappa) - c.beta ** k * kappa, c.beta ** k * q

    def fired(self, step):
        """Bring the neurons to `step`, which follows the last one, and return who spikes in it: bool [n]."""
        c = self.constants
        self.p, self.q = self._passed(self.p, self.q, step - self.now)
        self.r = c.gamma ** (step - self.now) * self.r
        if step > self.now:
            self.r = np.where(self.spikes, self.r - c.rho * c.gamma ** (step - self.now - 1), self.r)
        self.now = step
        self.u = self.p + self.bias + self.r
        self.spikes = self.u >= 0.0
        return self.spikes

    def arrive(self, step, inputs):
        """Spikes of `inputs` (their numbers, each once) in `step`: each brings its traces up to date, and acts a step on."""
        c, inputs = self.constants, np.asarray(inputs, np.int64)
        self.P[inputs], self.Q[inputs] = self._passed(self.P[inputs], self.Q[inputs], step - self.since[inputs])
        self.since[inputs] = step
        jump = (1.0 - c.beta) * c.gain
        self.Q[inputs] += jump
        if self.now < step:
            self.fired(step)
        self.q += jump * self.weights[:, inputs].sum(axis=1)

    def traces(self):
        """(P, Q) of all inputs at the present step."""
        return self._passed(self.P, self.Q, self.now - self.since)

    def learn(self, label):
        """A timer: learn from the spikes and membranes of the present step, for the class `label`; the error [classes]."""
        y = self.g @ self.spikes + self.offset
        error = y - (np.arange(y.size) == label)
        error = np.where(np.abs(error) > self.error_threshold, np.clip(error, -1.0, 1.0) / y.size, 0.0)
        gated = (self.u > -0.5) & (self.u <= 0.5)
        delta = np.where(gated, self.g.T @ error, 0.0)
        P, Q = self.traces()  # noqa: N806
        rows = np.flatnonzero(delta)
        self.weights[rows] -= self.rate * delta[rows, None] * P
        self.bias[rows] -= self.rate * delta[rows]
        self.p[rows] -= self.rate * delta[rows] * (P @ P)
        self.q[rows] -= self.rate * delta[rows] * (P @ Q)
        return error


def trace_sum(p, q, steps, alpha, beta):
    """Sum of P over the next `steps` steps without arrivals, of inputs whose traces are p and q now: closed form.

    With an error that stays constant over a timer's window the gradient needs this sum, instead of a sum over steps.

    >>> float(trace_sum(0.0, 1.0, 1000, 0.97, 0.92).round(9))
    12.5
    """
    kappa = (1.0 - alpha) * q / (alpha - beta)
    return ((p + kappa) * alpha * (1.0 - np.float64(alpha) ** steps) / (1.0 - alpha)
            - kappa * beta * (1.0 - np.float64(beta) ** steps) / (1.0 - beta))
