"""What DECOLLE computes for part of a batch: traces and membranes of all layers, steps, and learning.

A part holds, per sample, two traces per input (P, Q) and per neuron U, R and a spike, whatever the number of steps: nothing of
the past is kept. (A convolution also holds P once per place where a kernel reads it.)
"""

import numpy as np

from . import kernels

MOST, AT_ONCE = 10, 1 << 24  # steps, bytes


class Parameters:
    """Weights and biases of all layers in one flat array `flat`; `weights` [channels, fan in] and `biases` are views of it.

    A `flat` array that is given is kept and not copied.

    >>> from eventsnn.learn.shapes import stages
    >>> Parameters(stages((1, 1, 4), [3]), np.float32).flat.size
    15
    """

    def __init__(self, layers, dtype, flat=None):
        sizes = [stage.channels * stage.fan_in for stage in layers]
        total = sum(sizes) + sum(stage.channels for stage in layers)
        self.flat = np.zeros(total, dtype) if flat is None else flat
        self.weights, self.biases, at = [], [], 0
        for stage, size in zip(layers, sizes):
            self.weights.append(self.flat[at:at + size].reshape(stage.channels, stage.fan_in))
            self.biases.append(self.flat[at + size:at + size + stage.channels])
            at += size + stage.channels


class Part:
    """The state of `b` samples in a network (`DecolleNetwork`) whose parameters are `parameters`, of one dtype.

    Up to `span` steps are computed at a time, layer after layer, because larger matrix products are faster: their number is
    bounded by memory (`AT_ONCE`), not by the length of what is shown.
    """

    def __init__(self, network, parameters, b, span=MOST):
        self.network, self.parameters, self.b = network, parameters, b
        kind = self.kind = parameters.flat.dtype.type
        widest = max(b * stage.places * stage.fan_in for stage in network.stages) * parameters.flat.itemsize
        self.span = max(1, min(span, MOST, AT_ONCE // max(widest, 1)))
        self.state = [_State(stage, b, self.span, kind) for stage in network.stages]
        self.inputs = np.zeros((self.span, b, network.n_in), np.uint8)
        self.readouts = [(np.ascontiguousarray(g.T, kind), offset.astype(kind)) for g, offset in network.readouts]
        self.y = np.zeros((b, network.classes), kind)
        self.votes = np.zeros((len(self.state), b, network.classes), np.int64)
        self.spikes = np.zeros(len(self.state), np.int64)
        self.last = 0
        c = network.constants
        self.decays = tuple(kind(v) for v in (c.alpha, 1.0 - c.alpha, c.beta, (1.0 - c.beta) * c.gain))
        self.recover = kind(c.gamma), kind(c.rho)

    def reset(self):
        """Forget everything: all traces, membranes, votes and counts are 0."""
        for state in self.state:
            for array in state.memory:
                array.fill(0)
        self.votes.fill(0)
        self.spikes.fill(0)

    def steps(self, count):
        """The next `count` steps of all layers, at most `span`, on the spikes or counts in `inputs` [:count].

        Afterwards u, s [span, b, n_out] of `state[layer]` hold these steps.
        """
        inputs = self.inputs
        for layer, (stage, state) in enumerate(zip(self.network.stages, self.state)):
            kernels.filtered(state.p, self.last, state.q, inputs[:count].reshape(count, -1), *self.decays)
            rows = count * self.b * stage.places
            if stage.kernel:
                kernels.patches(state.image_p[:count * self.b], stage.padding, stage.kernel, state.seen[:rows])
            np.matmul(state.seen[:rows], self.parameters.weights[layer].T, out=state.rows_u[:rows])
            kernels.fire(state.full_u[:count], state.r, state.full_s, self.last, self.parameters.biases[layer], *self.recover)
            if stage.pool > 1:
                many = count * self.b
                kernels.pooled(state.image_u[:many], stage.pool, state.image_out[:many], state.who[:many], state.image_s[:many])
            inputs = state.s
        self.last = count - 1

    def decide(self, step):
        """Let every layer vote for the class of its largest readout in `step` of the last `steps`; count what is sent on."""
        for layer, state in enumerate(self.state):
            kernels.read_out(state.s[step], *self.readouts[layer], self.y)
            kernels.vote(self.y, self.votes[layer])
            self.spikes[layer] += int(state.s[step].sum(dtype=np.int64))

    def learn(self, labels, keys, first, stop, begun, batch, config, gradients, fresh):
        """Add the local gradients of the steps first ... stop - 1 of the last `steps` to `gradients` (`Parameters`).

        labels [b]; keys uint64 [layers, b] and the number `begun` of step 0 fix the dropout; batch : samples of the whole
        batch; fresh : gradients are overwritten. Returns the sum of the losses of each layer over samples and steps, and how
        often a sample learned.
        """
        losses, learning = np.zeros(len(self.state)), 0
        dropped = round(config.dropout * 65536)
        share = self.kind(1.0 / (batch * self.network.classes))
        for layer, (stage, state) in enumerate(zip(self.network.stages, self.state)):
            for step in range(first, stop):
                u, delta = state.u[step], state.delta[step]
                loss, active = kernels.local_errors(u, state.s[step], *self.readouts[layer], labels, keys[layer], begun + step,
                                                    dropped, config.error_threshold, share, self.y, delta)
                losses[layer] += loss / self.network.classes
                learning += active
                if config.activity > 0.0 or config.silence > 0.0:
                    share_u = 1.0 / (batch * stage.n_out)
                    losses[layer] += batch * kernels.regularise(u, config.activity, config.silence, share_u, delta)
            if stage.pool > 1:
                some = slice(first * self.b, stop * self.b)
                kernels.unpooled(state.image_delta[some], stage.pool, state.who[some], state.image_full[some])
            rows = slice(first * self.b * stage.places, stop * self.b * stage.places)
            delta, target = state.rows_delta[rows], gradients.weights[layer]
            if fresh:
                np.matmul(delta.T, state.seen[rows], out=target)
            else:
                more = state.product(target.shape)
                np.matmul(delta.T, state.seen[rows], out=more)
                kernels.add(target.ravel(), more.ravel())
            kernels.add_columns(delta, gradients.biases[layer], fresh)
        return losses, learning


class _State:
    """Arrays of one layer. u, s, delta [span, b, n_out] are what is sent on; full_..., rows_... belong to the neurons."""

    def __init__(self, stage, b, span, kind):
        height, width, channels = stage.given
        rows = b * stage.places
        self.p, self.q = np.zeros((span, b * stage.n_in), kind), np.zeros(b * stage.n_in, kind)
        self.image_p = self.p.reshape(span * b, height, width, channels)
        self.seen = np.zeros((span * rows, stage.fan_in), kind) if stage.kernel else self.p.reshape(span * b, stage.n_in)
        self.r = np.zeros((rows, stage.channels), kind)
        full = span, rows, stage.channels
        self.full_u, self.full_s, full_delta = np.zeros(full, kind), np.zeros(full, np.uint8), np.zeros(full, kind)
        self.rows_u, self.rows_delta = (a.reshape(span * rows, stage.channels) for a in (self.full_u, full_delta))
        self.memory = [self.p, self.q, self.r, self.full_s]
        self._more = None
        if stage.pool > 1:
            shape = span * b, *stage.pooled
            self.image_out, self.image_delta = np.zeros(shape, kind), np.zeros(shape, kind)
            self.image_s, self.who = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
            self.image_u, self.image_full = (a.reshape(span * b, *stage.full) for a in (self.full_u, full_delta))
            self.u, self.s, self.delta = (a.reshape(span, b, -1) for a in (self.image_out, self.image_s, self.image_delta))
        else:
            self.u, self.s, self.delta = (a.reshape(span, b, -1) for a in (self.full_u, self.full_s, full_delta))

    def product(self, shape):
        """Room for a gradient."""
        if self._more is None:
            self._more = np.zeros(shape, self.p.dtype)
        return self._more
