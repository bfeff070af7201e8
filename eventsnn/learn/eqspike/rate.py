"""Equilibrium propagation in the rate network that an EqSpike network approximates, to compare updates with.

Source: Scellier and Bengio, Front. Comput. Neurosci. 11:24 (2017), for any increasing rate function: the fixed points of
rho = f(W rho + I + nudge) minimise an energy, whose derivative by W_ij is -rho_i rho_j.
"""

import numpy as np

STEP, STEPS = 0.1, 1000  # of the relaxation


def rate(current, tau_mem, t_ref, theta):
    """Rate of a neuron with constant input, as a fraction of 1 / t_ref.

    >>> rate(np.array([0.05, 0.1]), 0.04, 0.004, 0.05).round(4)
    array([0.    , 0.1261])
    """
    above = np.maximum(current, theta * (1.0 + 1e-12))
    return np.where(current > theta, t_ref / (t_ref + tau_mem * np.log(above / (above - theta))), 0.0)


def settle(network, x, beta=0.0, target=None, start=None, along=None):
    """Rates at rest (hidden [m, n_hidden], outputs [m, n_out]) for inputs x [m, n_in].

    Outputs are nudged to `target` [m, n_out], or by the constant currents beta `along` [m, n_out].
    """
    constants, n_hidden = (network.tau_mem, network.t_ref, network.theta), network.sizes[1]
    drive = x @ network.w1 + network.bias[:n_hidden]
    hidden, out = start or (np.zeros((len(x), n_hidden)), np.zeros((len(x), network.sizes[2])))
    for _ in range(STEPS):
        nudge = beta * along if along is not None else 0.0 if target is None else beta * (target - out)
        hidden = hidden + STEP * (rate(drive + out @ network.w2.T, *constants) - hidden)
        out = out + STEP * (rate(hidden @ network.w2 + network.bias[n_hidden:] + nudge, *constants) - out)
    return hidden, out


def softmax(values):
    """Softmax of the rows of `values` [m, n].

    >>> softmax(np.zeros((1, 2))).tolist()
    [[0.5, 0.5]]
    """
    found = np.exp(values - values.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def updates(network, x, labels, beta=0.02, steepness=0.0):
    """Updates per sample (w1 [m, n_in, n_hidden], w2 [m, n_hidden, n_out]), from nudges by +beta and -beta.

    They go down the gradient of half the squared distance between output rates and the unit vector of the label; with a
    steepness > 0 down that of the cross-entropy of softmax(steepness * rates), divided by the steepness.
    """
    target = np.eye(network.sizes[2])[labels]
    free = settle(network, x)
    along = target - softmax(steepness * free[1]) if steepness > 0.0 else None
    (hidden, out), (less, low) = (settle(network, x, sign * beta, target, free, along) for sign in (1.0, -1.0))
    first = x[:, :, None] * (hidden - less)[:, None, :] / (2.0 * beta)
    return first, (hidden[:, :, None] * out[:, None, :] - less[:, :, None] * low[:, None, :]) / (2.0 * beta)


def cosine(a, b):
    """Cosine between two arrays of one shape."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def mean_update(network, x, label, config, runs=40):
    """Mean changes (w1, w2) by `runs` presentations of rates x [n_in]; random signs of beta are taken in turn."""
    from .network import keys_of
    from .probe import presentation
    from .training import schedule

    first, second, phases = np.zeros(network.w1.shape), np.zeros(network.w2.shape), schedule(config)
    soft = {"steepness": config.steepness, "least_error": config.least_error} if config.loss == "softmax" else {}
    draw = np.random.default_rng(config.seed)
    for k, key in enumerate(keys_of(config.seed, 1, runs)):
        sign = -1.0 if config.sign == "random" and k % 2 else 1.0
        found = presentation(network, x, key, phases * np.array([1.0, sign, sign, sign]), label,
                             v=draw.uniform(0.0, network.theta, network.bias.size), inputs=config.inputs,
                             tau_filter=config.tau_filter, **soft)
        first, second = first + found.w1 / runs, second + found.w2 / runs
    return first, second
