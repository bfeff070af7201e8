"""Losses of TSSL-BP on filtered output spike trains a [b, T, n], and their derivatives dL/da.

"kernel": L = 1/2 sum (a - a_goal)^2 over samples, steps and outputs, the van Rossum distance to target spike trains through the
same filter. "count": of c_k = sum_t a_k[t]; d_k = (c_k - goal_k) / T, 0 where the true class has enough or a wrong one no more
than it may; L = 1/2 sum d_k^2 over samples, steps and outputs, and d_k is handed on as dL/da_k[t] (the published rule).
"""

import numpy as np

from . import kernels

LOSSES = ("kernel", "count")


def class_train(steps):
    """The target spikes of the true class: 0, 1, 1, 1, 1 again and again in fewer than 10 steps, else 0, 1, 0, 1, ...

    >>> class_train(5).tolist()
    [0, 1, 1, 1, 1]
    """
    at = np.arange(steps)
    return ((at % 5 > 0) if steps < 10 else (at % 2 > 0)).astype(np.uint8)


def filtered(spikes, tau_syn, dtype=np.float64):
    """Spike trains [n, T, neurons] through the filter a[t] = (1 - 1/tau_syn) a[t-1] + s[t] / tau_syn.

    >>> filtered(np.array([[[1], [0]]]), 2.0)[0, :, 0].tolist()
    [0.5, 0.25]
    """
    spikes = np.ascontiguousarray(spikes)
    kind, q = np.dtype(dtype).type, 1.0 / tau_syn
    a = np.empty(spikes.shape, kind)
    kernels.filtered(spikes, kind(1.0 - q), kind(q), a)
    return a


def goals_of(labels, classes, constants, dtype):
    """Filtered target trains [b, T, classes] of labels [b]: `class_train` for the true class, silence for the others."""
    goals = np.zeros((len(labels), constants.steps, classes), dtype)
    train = class_train(constants.steps)[None, :, None]
    goals[np.arange(len(labels)), :, labels] = filtered(train, constants.tau_syn, dtype)[0, :, 0]
    return goals


def kernel_loss(a, goals, back):
    """Half the squared distance of `a` to `goals`; fills `back` with dL/da.

    >>> kernel_loss(np.array([1.0]), np.array([0.0]), np.empty(1))
    0.5
    """
    np.subtract(a, goals, out=back)
    return 0.5 * float(np.square(back, dtype=np.float64).sum())


def count_loss(a, labels, desired, undesired, back):
    """The count loss for labels [b]; fills `back` [b, T, n].

    >>> back = np.empty((1, 2, 2))
    >>> count_loss(np.ones((1, 2, 2)), np.array([0]), 2.0, 0.0, back), back[0, 0].tolist()
    (1.0, [0.0, 1.0])
    """
    steps = a.shape[1]
    true = np.zeros((len(labels), a.shape[2]), bool)
    true[np.arange(len(labels)), labels] = True
    d = (a.sum(axis=1, dtype=np.float64) - np.where(true, desired, undesired)) / steps
    d[(true & (d > 0.0)) | (~true & (d < 0.0))] = 0.0
    back[:] = d[:, None]
    return 0.5 * steps * float(np.square(d).sum())
