"""TSSL-BP written out plainly in float64: every sum as in the publication's code, one step at a time.

Arrays are [samples, steps, neurons]. Layers are tuples: ("dense", W) or ("conv", W, kernel, given, padding, pool), W as in
`eventsnn.learn.tssl_bp`.
"""

import numpy as np


def neurons(drive, tau_mem, tau_syn):
    """(u, a, s) of neurons whose weighted inputs are `drive`."""
    u, a, s = np.zeros_like(drive), np.zeros_like(drive), np.zeros_like(drive)
    rest, psc = np.zeros_like(drive[:, 0]), np.zeros_like(drive[:, 0])
    for t in range(drive.shape[1]):
        du = -rest / tau_mem + drive[:, t]
        u[:, t] = rest + du
        s[:, t] = u[:, t] > 1.0
        rest = u[:, t] * (1.0 - s[:, t])
        psc = psc - psc / tau_syn + s[:, t] / tau_syn
        a[:, t] = psc
    return u, a, s


def filtered(s, tau_syn):
    a, psc = np.zeros(s.shape), np.zeros(s[:, 0].shape)
    for t in range(s.shape[1]):
        psc = psc - psc / tau_syn + s[:, t] / tau_syn
        a[:, t] = psc
    return a


def delta_of(u, a, s, g, tau_mem, tau_syn, width=0.2):
    """dL/du from g = dL/da: the loop of section "what the code computes", with the explicit sum for E."""
    steps = u.shape[1]
    rest = np.zeros_like(u)
    rest[:, 1:] = (u * (1.0 - s))[:, :-1]
    du = u - rest
    delta, th = np.zeros_like(u), np.zeros_like(u[:, 0])
    for t in range(steps - 1, -1, -1):
        heard = sum((1.0 / tau_syn) * (1.0 - 1.0 / tau_syn)**k * g[:, t + k] for k in range(steps - t))
        kappa = np.zeros_like(th)
        spiked = s[:, t] > 0.0
        kappa[spiked] = np.minimum(1.0 / du[:, t][spiked], 8.0)
        d = kappa * heard
        if t < steps - 1:
            d = d + kappa * (u[:, t] / tau_mem) * th + (1.0 - s[:, t]) * (1.0 - 1.0 / tau_mem) * th
        th = s[:, t] * d + (1.0 - s[:, t]) * (1.0 - 1.0 / tau_mem) * th
        z = np.exp(np.clip((1.0 - u[:, t]) / width, -8.0, 8.0))
        delta[:, t] = np.where(a[:, t] < 1.0 / (4.0 * tau_syn), heard * z / (width * (1.0 + z)**2), d)
    return delta


def windows(x, kernel, padding):
    """[..., H', W', kernel * kernel * C] of maps x [..., H, W, C]."""
    x = np.pad(x, [(0, 0)] * (x.ndim - 3) + [(padding, padding)] * 2 + [(0, 0)])
    high, wide = x.shape[-3] - kernel + 1, x.shape[-2] - kernel + 1
    parts = [x[..., i:i + high, j:j + wide, :] for i in range(kernel) for j in range(kernel)]
    return np.concatenate(parts, axis=-1)


def drive_of(layer, x):
    if layer[0] == "dense":
        return x @ layer[1]
    _, w, kernel, given, padding, _ = layer
    out = windows(x.reshape(*x.shape[:-1], *given), kernel, padding) @ w
    return out.reshape(*x.shape[:-1], -1), out.shape[-3:]


def pooled(a, full, pool):
    maps = a.reshape(*a.shape[:-1], *full)
    high, wide = full[0] // pool, full[1] // pool
    maps = maps[..., :high * pool, :wide * pool, :]
    found = maps.reshape(*maps.shape[:-3], high, pool, wide, pool, full[2]).sum((-4, -2))
    return (1.1 if pool > 1 else 1.0) * found.reshape(*a.shape[:-1], -1)


def transpose(function, size, g):
    """The transpose of the linear `function` of vectors of `size`, applied to g [..., n]: column by column."""
    columns = np.stack([function(unit) for unit in np.eye(size)], axis=-1)
    return g @ columns


def gradients(layers, x, static, loss_gradient, tau_mem=5.0, tau_syn=3.0, steps=5, masks=None, cost=0.0):
    """(a of the last layer, spikes per layer, dL/dW per layer) for inputs x; loss_gradient : a -> dL/da; cost : added to it for
    hidden neurons."""
    if static:
        x = np.repeat(x[:, None], steps, axis=1)
    x = filtered(x.astype(float), tau_syn)
    kept = []
    for k, layer in enumerate(layers):
        found = drive_of(layer, x)
        drive, full = found if isinstance(found, tuple) else (found, None)
        u, a, s = neurons(drive, tau_mem, tau_syn)
        pool = layer[5] if layer[0] == "conv" else 1
        passed = pooled(a, full, pool) if full else a
        if masks is not None and k + 1 < len(layers):
            shape = (full[0] // pool, full[1] // pool, full[2]) if full else (1, 1, passed.shape[-1])
            factor = np.broadcast_to(masks[k][:, None, :, None, :], (*passed.shape[:2], *shape)).reshape(passed.shape)
        else:
            factor = np.ones_like(passed)
        kept.append((x, u, a, s, full, pool, factor))
        x = passed * factor
    g, found = loss_gradient(x), []
    for layer, (x, u, a, s, full, pool, factor) in zip(layers[::-1], kept[::-1]):
        g = g * factor
        if full:
            g = transpose(lambda v: pooled(v, full, pool), a.shape[-1], g)  # noqa: B023
        delta = delta_of(u, a, s, g + cost * bool(found), tau_mem, tau_syn)
        if layer[0] == "dense":
            found.append(np.einsum("bti,btj->ij", x, delta))
            g = delta @ layer[1].T
        else:
            _, w, kernel, given, padding, _ = layer
            seen = windows(x.reshape(*x.shape[:-1], *given), kernel, padding)
            found.append(np.einsum("btyxi,btyxj->ij", seen, delta.reshape(*delta.shape[:-1], *full)))
            g = transpose(lambda v: drive_of(layer, v)[0], x.shape[-1], delta)  # noqa: B023
    a = kept[-1][2]
    return a, [item[3] for item in kept], found[::-1]
