"""Grid time against the cells of snnTorch and Norse themselves, in double precision, where these packages are installed."""

import numpy as np
import pytest

import eventsnn as es

torch = pytest.importorskip("torch")
DT, N, STEPS = 1e-3, 300, 400


def drive(seed, scale):
    """(counts [STEPS, N], weight of each neuron's input [N])."""
    draw = np.random.default_rng(seed)
    return (draw.random((STEPS, N)) < 0.12).astype(float), draw.normal(0.4, 0.5, N) * scale


def ours(population, counts, weights, feedback=None):
    net = es.Network()
    net.add("in", es.Input(N))
    net.add("out", population)
    net.connect("in", "out", es.OneToOne(weights))
    if feedback is not None:
        net.connect("out", "out", es.Dense(feedback, delay=DT))
    at, who = np.nonzero(counts)
    run = es.simulate(net, {"in": es.Spikes(at * DT, who)}, until=(STEPS - 1) * DT, dt=DT)
    assert run.diagnostics["near_threshold"] == 0
    found = np.zeros((STEPS, N))
    found[np.rint(run.spikes["out"].times / DT).astype(int), run.spikes["out"].neurons] = 1.0
    return found


def tensor(values):
    return torch.as_tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("cell", ["Leaky", "Synaptic"])
def test_snntorch(cell, reset):
    snntorch = pytest.importorskip("snntorch")
    draw = np.random.default_rng(1)
    options = {"beta": draw.uniform(0.5, 0.99, N), "threshold": draw.uniform(0.5, 2.0, N)}
    if cell == "Synaptic":
        options["alpha"] = draw.uniform(0.3, 0.95, N)
    counts, weights = drive(2, 1.0)
    theirs = getattr(snntorch, cell)(**{k: tensor(v) for k, v in options.items()}, reset_mechanism=reset)
    state, expected = (), np.zeros((STEPS, N))
    for t in range(STEPS):
        spikes, *state = theirs(tensor(counts[t] * weights), *state)
        expected[t] = spikes.numpy()
    assert state[-1].dtype == torch.float64 and expected.sum() > 500
    found = ours(getattr(es.grid, cell)(N, **options, reset_mechanism=reset), counts, weights)
    assert np.array_equal(found, expected)


def norse_parameters(lif, draw):
    values = {"tau_mem": draw.uniform(5e-3, 4e-2, N), "tau_syn": draw.uniform(2e-3, 1e-2, N),
              "v_leak": draw.uniform(-0.2, 0.2, N), "v_threshold": draw.uniform(0.3, 1.0, N),
              "v_reset": draw.uniform(-0.3, 0.1, N)}
    p = lif.LIFParameters(tau_syn_inv=tensor(1.0 / values["tau_syn"]), tau_mem_inv=tensor(1.0 / values["tau_mem"]),
                          v_leak=tensor(values["v_leak"]), v_th=tensor(values["v_threshold"]),
                          v_reset=tensor(values["v_reset"]))
    return values, p


@pytest.mark.parametrize("refractory", [0, 5])
def test_norse_feed_forward(refractory):
    lif = pytest.importorskip("norse.torch.functional.lif")
    from norse.torch.functional import lif_refrac
    values, p = norse_parameters(lif, np.random.default_rng(1))
    counts, weights = drive(3, 3.0)
    state, expected = lif.LIFFeedForwardState(v=p.v_leak, i=tensor(np.zeros(N))), np.zeros((STEPS, N))
    if refractory:
        state = lif_refrac.LIFRefracFeedForwardState(state, tensor(np.zeros(N)))
        p = lif_refrac.LIFRefracParameters(p, tensor(float(refractory)))
    step = lif_refrac.lif_refrac_feed_forward_step if refractory else lif.lif_feed_forward_step
    for t in range(STEPS):
        spikes, state = step(tensor(counts[t] * weights), state, p, DT)
        expected[t] = spikes.numpy()
    assert expected.sum() > 500
    assert np.array_equal(ours(es.grid.NorseLIF(N, **values, refractory=refractory, dt=DT), counts, weights), expected)


def test_norse_recurrent():
    lif = pytest.importorskip("norse.torch.functional.lif")
    draw = np.random.default_rng(1)
    values, p = norse_parameters(lif, draw)
    counts, weights = drive(3, 3.0)
    feedback = draw.normal(-0.05, 0.2, (N, N))
    zero = tensor(np.zeros(N))
    state, expected = lif.LIFState(z=zero, v=p.v_leak, i=zero), np.zeros((STEPS, N))
    for t in range(STEPS):
        spikes, state = lif.lif_step(tensor(counts[t]), state, tensor(np.diag(weights)), tensor(feedback.T), p, DT)
        expected[t] = spikes.numpy()
    assert expected.sum() > 500
    assert np.array_equal(ours(es.grid.NorseLIF(N, **values), counts, weights, feedback), expected)
