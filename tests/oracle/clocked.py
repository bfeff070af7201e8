"""Clocked neurons as their libraries step them: plain float64 loops, one statement after the other, every neuron in every step.

Each class keeps its state in arrays [n]; `step(s)` takes the weighted input of one step and returns the spikes (numbers).
"""

import numpy as np


class Leaky:
    """snnTorch's Leaky (reset_delay=True)."""

    def __init__(self, n, beta, threshold=1.0, reset_mechanism="subtract"):
        self.beta, self.threshold, self.kind, self.mem = beta, threshold, reset_mechanism, np.zeros(n)

    def step(self, s):
        reset = (self.mem - self.threshold > 0.0).astype(float)
        if self.kind == "zero":
            self.mem = (1.0 - reset) * self.mem
        self.mem = self.beta * self.mem + s
        if self.kind == "subtract":
            self.mem = self.mem - reset * self.threshold
        return (self.mem - self.threshold > 0.0).astype(float)


class Synaptic:
    """snnTorch's Synaptic (reset_delay=True)."""

    def __init__(self, n, alpha, beta, threshold=1.0, reset_mechanism="subtract"):
        self.alpha, self.beta, self.threshold, self.kind = alpha, beta, threshold, reset_mechanism
        self.syn, self.mem = np.zeros(n), np.zeros(n)

    def step(self, s):
        reset = (self.mem - self.threshold > 0.0).astype(float)
        self.syn = self.alpha * self.syn + s
        self.mem = self.beta * self.mem + self.syn
        if self.kind == "subtract":
            self.mem = self.mem - reset * self.threshold
        elif self.kind == "zero":
            self.mem = self.mem - self.mem * reset
        return (self.mem - self.threshold > 0.0).astype(float)


class NorseLIF:
    """Norse's lif_feed_forward_step; with rho its refractory version."""

    def __init__(self, n, tau_mem=1e-2, tau_syn=5e-3, v_leak=0.0, v_threshold=1.0, v_reset=0.0, refractory=0, dt=1e-3):
        self.mem_inv, self.syn_inv, self.dt = 1.0 / tau_mem, 1.0 / tau_syn, dt
        self.leak, self.threshold, self.reset, self.rho_reset = v_leak, v_threshold, v_reset, refractory
        self.v, self.i, self.rho = np.zeros(n) + v_leak, np.zeros(n), np.zeros(n)

    def step(self, s):
        i = self.i + s
        v = self.v + self.dt * self.mem_inv * ((self.leak - self.v) + i)
        self.i = i - self.dt * self.syn_inv * i
        z = (v - self.threshold > 0.0).astype(float)
        v = (1.0 - z) * v + z * self.reset
        mask = (self.rho > 0.0).astype(float)
        v = (1.0 - mask) * v + mask * self.v
        z = (1.0 - mask) * z
        self.rho = (1.0 - z) * np.maximum(self.rho - mask, 0.0) + z * self.rho_reset
        self.v = v
        return z


class SlayerCUBA:
    """lava-dl's CUBA neuron in real numbers, decays and threshold rounded as there."""

    def __init__(self, n, threshold, current_decay, voltage_decay, bias=0.0, scale=64):
        self.du, self.dv = np.round(current_decay * 4096) / 4096, np.round(voltage_decay * 4096) / 4096
        self.threshold, self.bias = np.floor(threshold * scale) / scale + 0.01 / (scale * 64), bias
        self.u, self.v = np.zeros(n), np.zeros(n)

    def step(self, s):
        self.u = (1.0 - self.du) * self.u + s
        self.v = (1.0 - self.dv) * self.v + self.u + self.bias
        z = self.v >= self.threshold
        self.v = np.where(z, 0.0, self.v)
        return z.astype(float)


class DECOLLE:
    """DECOLLE's traces, summed over the inputs, unit gains."""

    def __init__(self, n, alpha=0.97, beta=0.92, gamma=0.65, rho=1.0, bias=0.0):
        self.factors, self.rho, self.bias = (alpha, beta, gamma), rho, bias
        self.p, self.q, self.r, self.s = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)

    def step(self, s):
        alpha, beta, gamma = self.factors
        self.p, self.q = alpha * self.p + (1.0 - alpha) * self.q, beta * self.q + (1.0 - beta) * s
        self.r = gamma * self.r - self.rho * self.s
        self.s = (self.p + self.bias + self.r >= 0.0).astype(float)
        return self.s


class TSSLBP:
    """TSSL-BP's neuron; the filter of the inputs is applied to their weighted sum."""

    def __init__(self, n, tau_mem=5.0, tau_syn=3.0, threshold=1.0):
        self.tau_mem, self.tau_syn, self.threshold, self.u, self.a = tau_mem, tau_syn, threshold, np.zeros(n), np.zeros(n)

    def step(self, s):
        self.a = self.a - self.a / self.tau_syn + s / self.tau_syn
        du = -self.u / self.tau_mem + self.a
        u = self.u + du
        z = u > self.threshold
        self.u = u * (1.0 - z)
        return z.astype(float)


class IF:
    """Sinabs' IAF: one spike per step, or as many as fit."""

    def __init__(self, n, threshold=1.0, reset="subtract", multi=False, bias=0.0):
        self.threshold, self.kind, self.multi, self.bias, self.v = threshold, reset, multi, bias, np.zeros(n)

    def step(self, s):
        self.v = self.v + s + self.bias
        z = (self.v - self.threshold >= 0.0).astype(float)
        if self.multi:
            z = (self.v > 0.0) * np.trunc(self.v / self.threshold)
        self.v = self.v - z * self.threshold if self.kind == "subtract" else self.v * (z == 0.0)
        return z


def run(layers, inputs, weights, steps, recurrent=None):
    """Spikes [steps, n] of every layer of a feed-forward stack (all within one step), and of `recurrent` (one step later).

    inputs : [steps, n_in]; weights : per layer [n_before, n]; recurrent : per layer [n, n] or None
    """
    recurrent = recurrent or [None] * len(layers)
    before = [np.zeros(w.shape[1]) for w in weights]
    out = [np.zeros((steps, w.shape[1])) for w in weights]
    for t in range(steps):
        signal = inputs[t]
        for k, (layer, w, r) in enumerate(zip(layers, weights, recurrent)):
            drive = signal @ w
            if r is not None:
                drive = drive + before[k] @ r
            signal = before[k] = out[k][t] = layer.step(drive)
    return out
