"""Gradients of `learn.adjoint` against finite differences of the engine, first-spike kernels and closed forms.

Finite differences: L is a random linear functional of all spike times. A derivative is the Richardson limit of central
differences at the first steps of a ladder that agree to AGREE (L has kinks, where an arrival meets a spike or the end of a
refractory period of its target: the ladder goes below their distance); steps that change the number of spikes of any
neuron are passed over. Networks in which a spike grazes (V' below GRAZING (v_threshold - v_reset) / tau_mem just before it,
from the plain sum over arrivals here) are not used, because there finite differences have no accuracy to compare with.
"""

import math

import numpy as np
import pytest

import eventsnn as es
from eventsnn.errors import InputError, NetworkError, UnknownNameError
from eventsnn.learn.adjoint import Adjoint, spike_gradients
from eventsnn.learn.first_spike.network import FirstSpikeNetwork

TOLERANCE = 1e-6  # relative, adjoint against finite differences
AGREE = 1e-7  # relative, finite differences against themselves
GRAZING = 0.05
FLOOR = 1e-3  # derivatives below this part of the largest of their kind are compared with the largest times this
MOST = 50  # spikes per neuron


class Case:
    """A random network as plain arrays: what is differentiated can be changed, everything else is fixed."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.until = 0.2
        self.sizes = {"in": 4, "a": int(rng.integers(2, 6)), "b": int(rng.integers(1, 4))}
        n = self.sizes
        self.values = {}
        self.lif, gain = {}, {}
        for name in ("a", "b"):
            tau_mem = rng.uniform(8e-3, 25e-3, n[name] if rng.random() < 0.5 else None)
            ratio = rng.choice([1.0, 1.0 + 1e-9, 1.01, 2.0, 0.5, rng.uniform(0.3, 6.0)])
            self.lif[name] = {"tau_mem": tau_mem, "tau_syn": tau_mem / ratio, "v_leak": rng.uniform(-0.2, 0.2)}
            gain[name] = min(1.0, 0.5 * ratio)  # keeps the charge of a spike below what makes the next: no runaway
            t_ref = rng.choice([0.0, 1.0], n[name], p=[0.3, 0.7]) * rng.uniform(1e-3, 8e-3, n[name])
            self.values[name] = {
                "v_threshold": rng.uniform(0.8, 1.2, n[name]), "v_reset": rng.uniform(-0.5, 0.3, n[name]),
                "i_offset": rng.uniform(0.0, 1.4, n[name]), "t_ref": t_ref, "v_init": rng.uniform(-0.5, 0.5, n[name]),
            }
        self.ends, self.weights, self.delays = {}, {}, {}
        for source, target, fan in (("in", "a", 3), ("in", "b", 2), ("a", "b", 2), ("b", "a", 2), ("a", "a", 2)):
            name, m = f"{source}->{target}", fan * n[target]
            self.ends[name] = rng.integers(0, n[source], m), rng.integers(0, n[target], m)
            scale = 2.5 if source == "in" else 1.2 * gain[target]
            sign = rng.choice([-1.0, 1.0], m, p=[0.4, 0.6])
            self.weights[name] = sign * rng.uniform(0.3, 1.0, m) * scale
            self.delays[name] = rng.uniform(0.5e-3, 12e-3, m) * rng.choice([1.0, 8.0], m, p=[0.9, 0.1])
        self.weights["b->b"] = gain["b"] * rng.uniform(-1.0, 0.3, (n["b"], n["b"]))
        self.delays["b->b"] = rng.uniform(1e-3, 5e-3, 1)  # one number for all
        self.weights["in->b#2"] = rng.uniform(0.0, 0.5, (4, n["b"]))
        self.times, self.sources = np.sort(rng.uniform(1e-3, 0.8 * self.until, 30)), rng.integers(0, 4, 30)
        self.run = self.simulate()
        self.until = self.quiet_end()
        self.run = self.simulate()
        self.counts = self.count(self.run)
        self.loss_of = {name: rng.normal(size=len(self.run.spikes[name])) for name in n}

    @property
    def inputs(self):
        return {"in": es.Spikes(self.times, self.sources)}

    def network(self):
        net = es.Network()
        net.add("in", es.Input(4))
        for name in ("a", "b"):
            net.add(name, es.LIF(self.sizes[name], **self.lif[name], **self.values[name]))
        for name, (source, target) in self.ends.items():
            net.connect(*name.split("->"), es.Sparse(source, target, self.weights[name], self.delays[name]))
        net.connect("b", "b", es.Dense(self.weights["b->b"], float(self.delays["b->b"][0])))
        net.connect("in", "b", es.Dense(self.weights["in->b#2"]))
        return net

    def synapses(self):
        """(projection, source population, target population, sources, targets, weights, delays), flat."""
        for name, (source, target) in self.ends.items():
            yield name, *name.split("->"), source, target, self.weights[name], self.delays[name]
        for name, delay in (("b->b", self.delays["b->b"][0]), ("in->b#2", 0.0)):
            source, target = (i.ravel() for i in np.indices(self.weights[name].shape))
            yield name, *name.split("#")[0].split("->"), source, target, self.weights[name].ravel(), np.full(source.size, delay)

    def simulate(self):
        return es.simulate(self.network(), self.inputs, until=self.until, progress=False)

    def quiet_end(self):
        """The middle of the longest pause in the last fifth, so that no spike lies near the end."""
        times = np.sort(np.concatenate([self.run.spikes[name].times for name in self.sizes]))
        times = np.concatenate([[0.8 * self.until], times[times > 0.8 * self.until], [self.until]])
        at = int(np.argmax(np.diff(times)))
        return float(times[at:at + 2].mean())

    def count(self, run):
        return np.concatenate([np.bincount(run.spikes[name].neurons, minlength=n) for name, n in self.sizes.items()])

    def loss(self):
        """L, or NaN where the set of spikes is another."""
        run = self.simulate()
        if not np.array_equal(self.count(run), self.counts):
            return math.nan
        total = []
        for name, c in self.loss_of.items():
            mine, base = by_neuron(run.spikes[name]), by_neuron(self.run.spikes[name])
            total.extend(c[base] * (run.spikes[name].times[mine] - self.run.spikes[name].times[base]))
        return math.fsum(total)

    def usable(self):
        return 20 < self.counts[4:].sum() and self.counts.max() <= MOST and self.least_slope() > GRAZING

    def least_slope(self):
        """Least V' tau_mem / (v_threshold - v_reset) just before any spike."""
        least = math.inf
        for name in ("a", "b"):
            parameter = {key: np.broadcast_to(v, self.sizes[name]) for key, v in (self.lif[name] | self.values[name]).items()}
            for i in range(self.sizes[name]):
                arrivals, weights = [], []
                for _, origin, end, source, target, weight, delay in self.synapses():
                    for q in np.flatnonzero(target == i) if end == name else ():
                        spikes = self.run.spikes[origin]
                        t = spikes.times[spikes.neurons == source[q]] + delay[q]
                        arrivals.extend(t)
                        weights.extend(np.full(t.size, weight[q]))
                arrivals, weights, p = np.array(arrivals), np.array(weights), {key: v[i] for key, v in parameter.items()}
                for t in self.run.spikes[name].times[self.run.spikes[name].neurons == i]:
                    early = arrivals < t
                    drive = np.sum(weights[early] * np.exp((arrivals[early] - t) / p["tau_syn"]))
                    rise = p["v_leak"] + p["i_offset"] - p["v_threshold"] + drive
                    least = min(least, rise / (p["v_threshold"] - p["v_reset"]))
        return least

    def places(self):
        """(kind, name, array to change in place, flat index, unit of the step) of all that is differentiated."""
        for kind, arrays, unit in (("weights", self.weights, 1.0), ("delays", self.delays, 1e-2)):
            for name, values in arrays.items():
                yield from ((kind, name, values, q, unit) for q in range(values.size))
        yield from (("inputs", "in", self.times, q, 1e-2) for q in range(self.times.size))
        for name in ("a", "b"):
            for key, values in self.values[name].items():
                unit = 1e-2 if key == "t_ref" else 1.0
                yield from ((key, name, values, q, unit) for q in range(values.size) if key != "t_ref" or values[q] > 0.0)

    def gradient(self):
        """{(kind, name): flat array} from the adjoint, with the largest derivative of each kind."""
        found = spike_gradients(self.network(), self.inputs, self.run, self.loss_of)
        assert found.grazing == 0
        flat = {("inputs", "in"): found.inputs["in"]}
        flat |= {("weights", name): np.ravel(found.weights[name]) for name in self.weights}
        flat |= {("delays", name): np.ravel(found.delays[name]) for name in self.delays}
        flat |= {(key, name): found.neurons[name][key] for name in ("a", "b") for key in self.values[name]}
        largest = {}
        for (kind, _), values in flat.items():
            largest[kind] = max(largest.get(kind, 0.0), abs(values).max())
        return flat, largest

    def compare(self, n):
        """(worst relative error, without verdict) of `n` derivatives drawn at random."""
        flat, largest = self.gradient()
        places, worst, unsettled = list(self.places()), 0.0, 0
        for place in self.rng.permutation(len(places))[:n]:
            kind, name, array, q, unit = places[place]
            size = FLOOR * largest[kind]
            expected = self.difference(array, q, unit, size)
            if expected is None:
                unsettled += 1
            elif max(abs(expected), size) > 0.0:
                worst = max(worst, abs(flat[kind, name][q] - expected) / max(abs(expected), size))
        return worst, unsettled

    def difference(self, array, q, unit, size):
        """dL/d array[q] from finite differences; None where no two agree. `size`: of derivatives that matter."""
        array = array.reshape(-1)
        value, levels = array[q], []
        for step in unit * 4.0 ** -np.arange(4, 13):
            losses = []
            for sign in (1.0, -1.0):
                array[q] = value + sign * step
                losses.append(self.loss())
                actual = array[q]
                array[q] = value
                losses[-1] = losses[-1], actual
            (up, high), (down, low) = losses
            levels.append((up - down) / (high - low))
            if len(levels) > 2:
                coarse, fine = (16.0 * levels[-2] - levels[-3]) / 15.0, (16.0 * levels[-1] - levels[-2]) / 15.0
                if abs(coarse - fine) <= AGREE * max(abs(fine), size):
                    return fine
        return None


def by_neuron(spikes):
    return np.argsort(spikes.neurons, kind="stable")


def usable_cases(seed, n):
    while n:
        case = Case(seed)
        seed += 1
        if case.usable():
            n -= 1
            yield case


def compared(seed, networks, derivatives):
    """(worst relative error, part without verdict) over `networks` random ones."""
    results = [case.compare(derivatives) for case in usable_cases(seed, networks)]
    return max(w for w, _ in results), sum(u for _, u in results) / (networks * derivatives)


def test_finite_differences():
    worst, unsettled = compared(0, 20, 8)
    assert worst <= TOLERANCE
    assert unsettled <= 0.01


@pytest.mark.slow
def test_finite_differences_of_200_networks():
    worst, unsettled = compared(1000, 200, 25)
    print(f"worst relative error {worst:.1e}, without verdict {unsettled:.2%}")
    assert worst <= TOLERANCE
    assert unsettled <= 0.01


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_first_spike_kernels(ratio, seed):
    rng, tau = np.random.default_rng(seed), 6e-3
    weights = [rng.normal(0.7, 0.8, (7, 12)), rng.normal(0.7, 0.8, (13, 3))]
    first = FirstSpikeNetwork(weights, tau_ratio=ratio, bias_times=(0.4, 0.9))
    times = rng.uniform(0.0, 2.0, 6)
    times[seed] = np.inf
    record = first.fill(first.record(times[None]))
    output = first.layers(record)[-1][0]
    assert np.isfinite(output).sum() >= 2
    delta = np.where(np.isfinite(output), rng.normal(size=3), 0.0)
    expected = first.gradient(record, delta[None])
    net, inputs = first.to_network(tau), first.encode_spikes(times, tau)
    run = es.simulate(net, inputs, until=1.0, progress=False)
    targets = {"output": delta[run.spikes["output"].neurons] / tau}
    found = spike_gradients(net, inputs, run, targets)
    weights = [np.vstack([found.weights["hidden->output"], found.weights["bias->output"]])]
    got = ratio * np.concatenate([found.weights["input->hidden"].ravel(), weights[0].ravel()])
    assert np.abs(got - expected).max() <= 1e-9 * np.abs(expected).max()
    assert np.abs(expected).max() > 0.0
    assert found.inputs["input"][np.isinf(inputs["input"].times)].tolist() == [0.0]


def pair(weight=4.0, delay=2e-3, connection=None, **parameters):
    net = es.Network()
    net.add("in", es.Input(1))
    net.add("out", es.LIF(1, **({"tau_mem": 10e-3, "tau_syn": 10e-3, "v_threshold": 1.0, "t_ref": 1.0} | parameters)))
    net.connect("in", "out", es.Dense([[weight]], delay) if connection is None else connection)
    return net


def test_one_spike_of_one_synapse():
    # V = w x e^-x with x = (t - t_in - d) / tau
    tau, w = 10e-3, 4.0
    inputs = {"in": es.Spikes([1e-3], [0])}
    run = es.simulate(pair(), inputs, until=0.1)
    x = (run.spikes["out"].times[0] - 3e-3) / tau
    found = spike_gradients(pair(), inputs, run, {"out": [2.0]})
    assert found.weights["in->out"] == pytest.approx(np.array([[-2.0 * tau * x / (w * (1.0 - x))]]), rel=1e-12)
    assert found.delays["in->out"] == pytest.approx(2.0, rel=1e-12)
    assert found.inputs["in"] == pytest.approx([2.0], rel=1e-12)
    assert found.neurons["out"]["v_threshold"] == pytest.approx([2.0 * tau * math.exp(x) / (w * (1.0 - x))], rel=1e-12)


def test_a_constant_drive():
    # t_1 = tau ln((v - v_init) / (v - theta)), t_2 - t_1 = t_ref + tau ln((v - v_reset) / (v - theta)), v = i_offset
    tau, v, theta, reset, init = 10e-3, 1.5, 1.0, -0.3, 0.2
    net = pair(0.0, tau_syn=3e-3, i_offset=v, v_reset=reset, v_init=init, t_ref=2e-3)
    run = es.simulate(net, until=0.05)
    times = run.spikes["out"].times
    assert times.size == 3
    found = spike_gradients(net, None, run, {"out": [0.0, 0.0, 1.0]}).neurons["out"]
    up = 1.0 / (v - theta)
    expected = {"v_threshold": 3.0 * tau * up, "v_reset": -2.0 * tau / (v - reset), "t_ref": 2.0, "v_init": -tau / (v - init),
                "i_offset": tau * (1.0 / (v - init) + 2.0 / (v - reset) - 3.0 * up)}
    for name, value in expected.items():
        assert found[name] == pytest.approx([value], rel=1e-12), name


def test_a_shift_of_all_inputs_shifts_all_spikes():
    for case in usable_cases(0, 5):
        for name in ("a", "b"):
            case.values[name]["i_offset"][:] = 0.3
            case.values[name]["v_init"][:] = case.lif[name]["v_leak"] + 0.3
        case.run = case.simulate()
        targets = {name: case.rng.normal(size=len(case.run.spikes[name])) for name in case.sizes}
        found = spike_gradients(case.network(), case.inputs, case.run, targets).inputs["in"]
        assert len(case.run.spikes["a"]) > 5
        assert found.sum() == pytest.approx(sum(t.sum() for t in targets.values()), abs=1e-9 * abs(found).sum())


CONNECTIONS = {
    "sparse": lambda w: es.Sparse([2, 0, 1, 0, 2, 1], [0, 1, 1, 0, 0, 0], w, 1e-3),
    "dense": lambda w: es.Dense(w.reshape(3, 2), np.linspace(1e-3, 2e-3, 6).reshape(3, 2)),
    "indegree": lambda w: es.RandomIndegree(3, w, 1e-3, seed=1),
    "outdegree": lambda w: es.RandomOutdegree(2, w, es.Normal(2e-3, 1e-3, low=0.0), seed=2),
    "total": lambda w: es.RandomTotal(6, w, 1e-3, seed=3),
    "drawn": lambda w: es.RandomOutdegree(2, es.Normal(w[0], 0.0), 1e-3, seed=4),
    "number": lambda w: es.RandomOutdegree(2, w[0], 1e-3, seed=5),
}


@pytest.mark.parametrize("kind", CONNECTIONS)
def test_gradients_come_in_the_order_of_the_weights(kind):
    connect, weight = CONNECTIONS[kind], np.array([2.0, 3.0, 2.5, 1.5, 3.5, 2.2])
    inputs = {"in": es.Spikes([1e-3, 3e-3, 4e-3, 1.5e-3, 6e-3, np.inf, 2.0], [0, 2, 1, 1, 2, 0, 0])}

    def simulate(w):
        net = es.Network()
        net.add("in", es.Input(3))
        net.add("out", es.LIF(2, tau_mem=10e-3, tau_syn=4e-3, v_threshold=[0.5, 0.3], t_ref=50e-3))
        net.connect("in", "out", connect(w))
        return net, es.simulate(net, inputs, until=0.05)

    net, run = simulate(weight)
    assert run.counts.spikes["out"] == 2
    c = {0: 1.0, 1: -0.7}

    def loss(w):
        spikes = simulate(w)[1].spikes["out"]
        return sum(c[n] * t for n, t in zip(spikes.neurons.tolist(), spikes.times))

    found = spike_gradients(net, inputs, run, {"out": [c[n] for n in run.spikes["out"].neurons.tolist()]})
    got = found.weights["in->out"]
    expected = np.array([loss(weight + s) - loss(weight - s) for s in 1e-5 * np.eye(6)]) / 2e-5
    if kind == "drawn":
        assert got.shape == (6,)
        expected, got = expected[:1], got.sum()
    elif kind == "number":
        assert isinstance(got, float)
        expected = expected[:1]
    else:
        assert np.shape(got) == ((3, 2) if kind == "dense" else (6,))
    assert np.ravel(got) == pytest.approx(expected, abs=1e-8 * abs(expected).max())
    shape = {"dense": (3, 2), "outdegree": (6,)}.get(kind, ())
    assert np.shape(found.delays["in->out"]) == shape
    assert found.inputs["in"].shape == (7,)
    assert found.inputs["in"][-2:].tolist() == [0.0, 0.0]
    assert np.sum(found.delays["in->out"]) == pytest.approx(found.inputs["in"].sum(), rel=1e-12)


def test_a_delay_over_many_spikes_and_zero_delays():
    net = es.Network()
    net.add("a", es.LIF(1, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, i_offset=3.0))
    net.add("b", es.LIF(1, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, i_offset=2.5))
    net.connect("a", "b", es.Dense([[0.4]], 0.0))
    net.connect("a", "b", es.Dense([[0.3]], 0.171))
    run = es.simulate(net, until=0.3)
    late = run.spikes["b"].times > 0.17
    assert late.sum() > 10
    found = spike_gradients(net, {}, run, {"b": late.astype(float)})

    def loss(weight, delay):
        net = es.Network()
        for name, offset in (("a", 3.0), ("b", 2.5)):
            net.add(name, es.LIF(1, tau_mem=10e-3, tau_syn=2e-3, v_threshold=1.0, i_offset=offset))
        net.connect("a", "b", es.Dense([[weight]], 0.0))
        net.connect("a", "b", es.Dense([[0.3]], delay))
        return (es.simulate(net, until=0.3).spikes["b"].times * late).sum()

    h = 1e-6
    assert found.weights["a->b"] == pytest.approx((loss(0.4 + h, 0.171) - loss(0.4 - h, 0.171)) / (2 * h), rel=1e-6)
    assert found.delays["a->b#2"] == pytest.approx((loss(0.4, 0.171 + h) - loss(0.4, 0.171 - h)) / (2 * h), rel=1e-6)


def test_a_neuron_above_its_threshold_fires_at_0_whatever_happens():
    net, inputs = pair(v_init=1.2, t_ref=1e-3), {"in": es.Spikes([0.0], [0])}
    run = es.simulate(net, inputs, until=1e-3)
    assert run.spikes["out"].times.tolist() == [0.0]
    found = spike_gradients(net, inputs, run, {"out": [1.0]})
    assert found.inputs["in"].tolist() == [0.0]
    assert found.grazing == 0


def test_a_spike_without_slope_is_counted():
    # one ulp below threshold: the arrival lifts V above it within one ulp of time, so V' before that instant is negative
    net = pair(1e3, 0.0, i_offset=np.nextafter(1.0, 0.0), v_init=np.nextafter(1.0, 0.0))
    inputs = {"in": es.Spikes([1e-3], [0])}
    run = es.simulate(net, inputs, until=0.1)
    found = spike_gradients(net, inputs, run, {"out": [1.0]})
    assert run.spikes["out"].times.tolist() == [1e-3]
    assert found.grazing == 1
    assert found.inputs["in"].tolist() == [0.0]


def test_one_adjoint_serves_many_runs():
    case = next(usable_cases(0, 1))
    adjoint = Adjoint(case.network())
    one = adjoint.gradients(case.inputs, case.run, case.loss_of)
    two = spike_gradients(case.network(), case.inputs, case.run, case.loss_of)
    none = adjoint.gradients(case.inputs, case.run, {})
    for name, values in one.weights.items():
        assert np.array_equal(values, two.weights[name])
        assert not none.weights[name].any()
    other = adjoint.gradients({}, es.simulate(case.network(), until=0.01), {})
    assert other.inputs["in"].size == 0


LIF = {"tau_mem": 10e-3, "v_threshold": 1.0}


@pytest.mark.parametrize("population, message", [
    (es.LIF(1, tau_syn=(1e-3, 2e-3), **LIF), "population 'x' has 2 ports"),
    (es.LIF(1, tau_syn=0.0, **LIF), "population 'x' has delta synapses"),
    (es.LIF(1, tau_syn=1e-3, synapse="alpha", **LIF), "population 'x' has alpha synapses"),
    (es.AdaptiveLIF(1, tau_syn=1e-3, tau_adapt=0.1, adaptation=0.1, **LIF), "population 'x' is AdaptiveLIF"),
    (es.IF(1, v_threshold=1.0), "population 'x' is IF"),
    (es.LI(1, tau_mem=1e-2, tau_syn=1e-3), "population 'x' is LI"),
    (es.ASNN(1), "population 'x' is ASNN"),
    (es.Poisson(1, rate=1.0), "population 'x' is Poisson"),
])
def test_other_models_are_refused(population, message):
    net = es.Network()
    net.add("x", population)
    with pytest.raises(NetworkError, match=message):
        Adjoint(net)


def test_procedural_connections_are_refused():
    with pytest.raises(NetworkError, match="'in->out' is Procedural"):
        Adjoint(pair(connection=es.Procedural(es.RandomOutdegree(1, 1.0))))


def test_what_does_not_belong_together_is_refused():
    net, inputs = pair(), {"in": es.Spikes([1e-3], [0])}
    run = es.simulate(net, inputs, until=0.1)
    for targets, message in (
        ({"out": [math.nan]}, r"targets\['out'\]\[0\] is nan"),
        ({"out": [1.0, 2.0]}, r"has shape \(2,\); run.spikes\['out'\] has 1 spikes"),
        ({"out": [[1.0]]}, r"has shape \(1, 1\)"),
        ({"out": ["x"]}, "must be an array of numbers"),
    ):
        with pytest.raises(InputError, match=message):
            spike_gradients(net, inputs, run, targets)
    with pytest.raises(UnknownNameError, match="did you mean 'out'"):
        spike_gradients(net, inputs, run, {"oot": [1.0]})
    with pytest.raises(UnknownNameError, match="input population 'out'"):
        spike_gradients(net, {"out": es.Spikes([], [])}, run, {})
    with pytest.raises(InputError, match="must be es.Spikes"):
        spike_gradients(net, {"in": [1e-3]}, run, {})
    for wrong in ({}, {"in": es.Spikes([2e-3], [0])}, {"in": es.Spikes([1e-3, 2e-3], [0, 0])}):
        with pytest.raises(InputError, match=r"inputs\['in'\] are not the 1 spikes"):
            spike_gradients(net, wrong, run, {})
    with pytest.raises(InputError, match="recorded 0 of 1 spikes of population 'out'"):
        spike_gradients(net, inputs, es.simulate(net, inputs, until=0.1, record=es.Record(spikes=["in"])), {})
    with pytest.raises(InputError, match="must be an es.Run"):
        spike_gradients(net, inputs, None, {})
    net.add("more", es.Input(1))
    with pytest.raises(InputError, match="run is of another network"):
        spike_gradients(net, inputs, run, {})
