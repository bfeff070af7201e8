"""A layer of neurons that learns features of images from Poisson spikes, one image after the other, without labels.

After Diehl and Cook 2015 (Front. Comput. Neurosci. 9:99): plastic synapses from every pixel to every neuron, inhibition among
the neurons, thresholds that rise with every spike and sink slowly, weights scaled to the same length between images.
"""

import numpy as np

BLOCK = 50  # images whose spikes are drawn and handed over at once
LEARN, LABEL, TEST, START = range(4)  # streams of random numbers


def follow(w, x, y, s, g, p):
    """A spike of the neuron: the weight moves towards the rate of its pixel, g[0] of the way; p: (w_max).

    >>> follow(1.0, [0.5], [], [], [0.1], [4.0])
    1.1
    """
    return w + g[0] * (p[0] * x[0] - w)


def rescale(w, x, y, s, g, p):
    """Between images: the weight times the factor y[0] of its neuron.

    >>> rescale(2.0, [], [0.75], [], [], [])
    1.5
    """
    return w * y[0]


def tire(v, x, y, s, g, p):
    """A spike of the neuron raises its threshold by p[0].

    >>> tire(20.0, [], [], [], [], [0.5, 13.0, 0.9])
    20.5
    """
    return v + p[0]


def recover(v, x, y, s, g, p):
    """Between images: what the threshold v is above p[1] shrinks by the factor p[2].

    >>> recover(23.0, [], [], [], [], [0.5, 13.0, 0.9])
    22.0
    """
    return p[1] + p[2] * (v - p[1])


def largest_weight(s):
    """w_max in the units of the drive, so that one spike lifts the potential by about `psp`, s: settings.

    >>> largest_weight({"psp": 0.6, "tau_mem": 0.1, "tau_syn": 1e-3})
    60.0
    """
    return s["psp"] * s["tau_mem"] / s["tau_syn"]


def first_weights(s, pixels):
    """Weights [pixels, neurons] before learning, parts of w_max: uniform, the column of every neuron of the same `length`.

    >>> s = {"seed": 0, "neurons": 3, "length": 2.0}
    >>> np.linalg.norm(first_weights(s, 20), axis=0).round(12)
    array([2., 2., 2.])
    """
    weights = np.random.default_rng([s["seed"], START]).uniform(size=(pixels, s["neurons"]))
    return weights * (s["length"] / np.linalg.norm(weights, axis=0))


def build_network(s, weights, thresholds):
    """"in" onto "exc" with `weights` [pixels, neurons] (parts of w_max) and `thresholds` (mV), "exc" inhibiting each other.

    >>> from eventsnn.experiments.config import load_plan
    >>> s = load_plan("stdp-digits").settings
    >>> list(build_network(s, first_weights(s, 784), s["v_threshold"]).projections)
    ['in->exc', 'exc->exc']
    """
    import eventsnn as es

    pixels, n = weights.shape
    net = es.Network()
    net.add("in", es.Input(pixels))
    net.add("exc", es.LIF(n, tau_mem=s["tau_mem"], tau_syn=s["tau_syn"], v_threshold=thresholds, t_ref=s["t_ref"]))
    net.connect("in", "exc", es.Dense(weights * largest_weight(s)))
    lateral = np.full((n, n), -s["inhibition"] * s["tau_mem"] / s["tau_syn"])
    np.fill_diagonal(lateral, 0.0)
    net.connect("exc", "exc", es.Dense(lateral, delay=s["delay"]))
    return net


def rules(s):
    """The rule of the synapses and that of the thresholds.

    >>> from eventsnn.experiments.config import load_plan
    >>> [rule.owner for rule in rules(load_plan("stdp-digits").settings)]
    ['in->exc', 'exc']
    """
    import eventsnn as es

    high = largest_weight(s)
    trace = es.Variable(s["tau_trace"], step=1.0 / (s["rate"] * s["tau_trace"]))  # 1: the rate of a white pixel
    synapses = es.Rule("in->exc", on_post=follow, on_timer=rescale, pre={"rate": trace}, network={"step": np.inf},
                       post={"factor": es.Variable(np.inf, 0.0)}, parameters=[high], w_min=0.0, w_max=high)
    left = np.exp(-(s["shown"] + s["rest"]) / s["tau_theta"])
    parameters = [s["theta_plus"], s["v_threshold"], left]
    return [synapses, es.NeuronRule("exc", on_spike=tire, on_timer=recover, parameters=parameters)]


def image_spikes(s, images, numbers, stream, start):
    """`Spikes` of `images` uint8 [n, pixels], one after the other from `start` (s) on: Poisson, 255 at `rate`.

    numbers : [n], with `stream` and the seed they decide the spikes of each image, whatever else is drawn

    >>> s = {"seed": 0, "rate": 100.0, "shown": 1.0, "rest": 1.0}
    >>> spikes = image_spikes(s, np.full((2, 5), 255, np.uint8), [0, 1], TEST, 10.0)
    >>> 800 < len(spikes) < 1200, spikes.times.max() < 13.0
    (True, np.True_)
    """
    import eventsnn as es

    times, neurons = [], []
    for k, (image, number) in enumerate(zip(images, numbers)):
        rng = np.random.default_rng([s["seed"], stream, int(number)])
        lit = np.flatnonzero(image)
        which = np.repeat(lit, rng.poisson(image[lit] * (s["rate"] * s["shown"] / 255.0)))
        times.append(start + k * (s["shown"] + s["rest"]) + s["shown"] * rng.random(which.size))
        neurons.append(which)
    return es.Spikes(np.concatenate(times), np.concatenate(neurons))


def weights_now(simulation, s):
    """Weights [pixels, neurons] of "in->exc", parts of w_max."""
    return simulation.weights("in->exc")[2].reshape(-1, s["neurons"]) / largest_weight(s)


def learn(s, images, path, progress=False):
    """(`Simulation`, spikes int32 [n, neurons]) after n = `s["images"]` images of `images` uint8 [*, pixels], over and over.

    path : of the checkpoint, written every `s["checkpoint"]` images and at the end, with the spikes so far (.npy). Where there
        is one, learning goes on from it. The bits do not depend on that.

    >>> learn(s, images, Path("learning.h5"))[0].time     # doctest: +SKIP
    60000.0
    """
    import eventsnn as es

    from ..io import atomic_path
    from ..progress import over

    period, count, done = s["shown"] + s["rest"], s["images"], 0
    shown, beside = np.zeros((count, s["neurons"]), np.int32), path.with_suffix(".npy")
    if path.exists() and beside.exists():
        simulation = es.Simulation.resume(path)
        done = round(simulation.time / period)
        shown[:done] = np.load(beside)[:done]
    else:
        net = build_network(s, first_weights(s, images.shape[1]), s["v_threshold"])
        simulation = es.Simulation(net, rules=rules(s), scheduler="heap", record=es.Record(spikes=["exc"]), progress=False)
    pushed = done
    for k in over(range(done, count), count - done, progress):
        if k == pushed:
            pushed = min(k + BLOCK, (k // s["checkpoint"] + 1) * s["checkpoint"], count)
            numbers = np.arange(k, pushed)
            simulation.push({"in": image_spikes(s, images[numbers % len(images)], numbers, LEARN, k * period)})
        simulation.set_learning("in->exc", step=s["eta"] * (s["eta_end"] / s["eta"]) ** (k / count))
        spikes = simulation.news((k + 1) * period, whole=True, keep=False)["exc"]
        shown[k] = np.bincount(spikes.neurons, minlength=s["neurons"])
        if (k + 1) % s["rescale"] == 0 and shown[k + 1 - s["rescale"]:k + 1].any():
            simulation.trigger("in->exc", factor=s["length"] / np.linalg.norm(weights_now(simulation, s), axis=0))
        simulation.trigger("exc")
        if (k + 1) % s["checkpoint"] == 0 or k + 1 == count:
            with atomic_path(beside) as temporary:
                np.save(temporary, shown[:k + 1])
            simulation.checkpoint(path)
    return simulation, shown


def counted(spikes, period, images, neurons):
    """Spikes of every neuron during every image, int64 [images, neurons]; the images follow each other every `period` s.

    >>> import eventsnn as es
    >>> counted(es.Spikes([0.1, 1.2, 1.3], [0, 1, 1]), 1.0, 2, 2).tolist()
    [[1, 0], [0, 2]]
    """
    image = np.minimum((spikes.times // period).astype(np.int64), images - 1)
    return np.bincount(image * neurons + spikes.neurons, minlength=images * neurons).reshape(images, neurons)


def respond(s, weights, thresholds, images, stream, progress=False):
    """(spikes int64 [n, neurons], `Counts`) of a network that does not learn, shown `images` uint8 [n, pixels] once.

    >>> respond(s, weights, thresholds, images, TEST)[0].shape     # doctest: +SKIP
    (10000, 100)
    """
    import eventsnn as es

    from ..progress import over

    period, n = s["shown"] + s["rest"], len(images)
    simulation = es.Simulation(build_network(s, weights, thresholds), scheduler=s["scheduler"], progress=False,
                               record=es.Record(spikes=["exc"]))
    found = []
    for first in over(range(0, n, BLOCK), -(-n // BLOCK), progress):
        numbers = np.arange(first, min(first + BLOCK, n))
        simulation.push({"in": image_spikes(s, images[numbers], numbers, stream, first * period)})
        spikes = simulation.news((first + numbers.size) * period, whole=True, keep=False)["exc"]
        part = es.Spikes.in_order(spikes.times - first * period, spikes.neurons)
        found.append(counted(part, period, numbers.size, s["neurons"]))
    return np.concatenate(found), simulation.result().counts


def mean_responses(spikes, labels, classes=10):
    """Mean number of spikes [classes, neurons] of images of each class; spikes [n, neurons], labels [n].

    >>> mean_responses(np.array([[2, 0], [4, 1], [0, 3]]), np.array([0, 0, 1]), 2).tolist()
    [[3.0, 0.5], [0.0, 3.0]]
    """
    return np.array([spikes[labels == c].mean(axis=0) if np.any(labels == c) else np.zeros(spikes.shape[1])
                     for c in range(classes)])


def names(means):
    """The digit of each neuron, that of its largest mean response [classes, neurons]; -1 for those that never spiked.

    >>> names(np.array([[3.0, 0.5, 0.0], [0.0, 3.0, 0.0]])).tolist()
    [0, 1, -1]
    """
    return np.where(means.max(axis=0) > 0.0, means.argmax(axis=0), -1)


def classify(spikes, digits, classes=10):
    """The class of every image [n]: of the neurons named `digits` [neurons], those that spiked most on average; -1 if none did.

    >>> classify(np.array([[3, 0, 2], [0, 1, 1], [0, 0, 0]]), np.array([0, 1, 1])).tolist()
    [0, 1, -1]
    """
    votes = np.zeros((len(spikes), classes))
    for c in np.unique(digits[digits >= 0]):
        votes[:, c] = spikes[:, digits == c].mean(axis=1)
    return np.where(votes.max(axis=1) > 0.0, votes.argmax(axis=1), -1)
