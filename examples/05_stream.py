"""Stream digits through a spiking network: decisions as soon as they are clear, a second look at unclear ones, a snapshot."""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

import eventsnn as es
from eventsnn.conversion.files import load_plain
from eventsnn.data.mnist import mnist

layers, shape, _ = load_plain("asnn-mnist-mlp")
model = es.convert(layers, to="asnn", m_f=0.6, tau_eta=20e-3, tau_beta=20e-3, tau_gamma=6e-3, tau_phi=2e-3)
images, labels = (part[:200] for part in mnist()["test"])


def source():
    """Images as frames of 150 ms, read one by one."""
    return es.FrameSource((image / 255.0 for image in images), period=0.15, labels=labels)


options = {"margin": 3.0, "arousal": es.Arousal(m_f=0.15, after=0.1, margin=3.0)}
stream = es.Stream(model, source(), **options)
decisions = list(stream)
for decision in decisions[:5]:
    print(f"image {decision.item}: {decision.label} after {1e3 * decision.latency:.0f} ms, margin {decision.margin:.1f}")
summary = stream.summary()
print(f"{summary['decisions']} decisions, {100 * summary['accuracy']:.1f} % right, {summary['confident']} of them by margin; "
      f"{summary['aroused']} by the precise network")
million = summary["synaptic_events_per_s"] / 1e6
print(f"{million:.0f} million synaptic events per second, {summary['real_time_factor']:.1f} times real time")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "state.h5")
    interrupted = es.Stream(model, source(), snapshot=path, snapshot_every=0.0, **options)
    first = list(islice(interrupted, 50))
    interrupted.close()
    resumed = es.Stream.resume(path, source())
    assert first[:49] + list(resumed) == decisions
    print("resumed with the same decisions")

# A camera: events into an output neuron per quarter of a 4 x 4 sensor, which of them is busiest, every 50 ms.
net = es.Network()
net.add("input", es.Input(4))
net.add("output", es.LIF(4, tau_mem=20e-3, tau_syn=5e-3, v_threshold=1.0))
net.connect("input", "output", es.OneToOne(1.0))
rng = np.random.default_rng(0)


def camera():
    """Ten chunks of events, as a driver would give them: a spot that wanders over the quarters."""
    for k in range(10):
        t = k * 0.05 + np.sort(rng.uniform(0.0, 0.05, 60))
        quarter = np.where(rng.random(60) < 0.8, k % 4, rng.integers(0, 4, 60))
        yield quarter % 2 * 2 + rng.integers(0, 2, 60), quarter // 2 * 2 + rng.integers(0, 2, 60), t, np.ones(60, int)


events = es.EventSource(camera(), shape=(2, 2), size=(4, 4), period=0.05)
print("busiest quarters:", [decision.label for decision in es.Stream(net, events, readout="spikes")])
