"""`eventsnn stream`: a model, a source and something that shows what happens."""

import os
import signal
import threading
from contextlib import contextmanager

from ..errors import ParameterError
from .decide import Arousal
from .inputs import open_source
from .machine import SETTLE
from .stream import Stream

GAMMA, PHI = 0.3, 0.1  # tau_gamma and tau_phi in tau_eta where they are not given


def time_constants(text):
    """The time constants of `es.convert` from "tau_eta,tau_gamma,tau_phi" in s, or from tau_eta alone; tau_beta = tau_eta.

    >>> time_constants("0.02")
    {'tau_eta': 0.02, 'tau_beta': 0.02, 'tau_gamma': 0.006, 'tau_phi': 0.002}
    """
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3):
        raise ParameterError(f"tau must be tau_eta or tau_eta,tau_gamma,tau_phi in s, got {text!r}")
    eta, gamma, phi = values if len(values) == 3 else (values[0], GAMMA * values[0], PHI * values[0])
    return {"tau_eta": eta, "tau_beta": eta, "tau_gamma": gamma, "tau_phi": phi}


def sensor_size(text):
    """(height, width) from "WIDTHxHEIGHT".

    >>> sensor_size("346x260")
    (260, 346)
    """
    width, cross, height = text.partition("x")
    if not cross or not width.isdigit() or not height.isdigit():
        raise ParameterError(f"size must be WIDTHxHEIGHT, got {text!r}")
    return int(height), int(width)


def stream_model(model, source, view, *, rate=0.0, period=0.15, limit=None, m_f=None, tau="0.02", margin=None, arousal=None,
                 queue=64, drop="block", snapshot=None, snapshot_every=60.0, resume=False, format=None, signed=False, size=None,
                 height=None, polarity="both"):
    """Stream `source` (see `inputs.open_source`) through a network, a shipped name or a file; return a summary.

    view : has `begin(stream)`, `decision(found)`, `second(row)`, `end(summary)`, see `view`; the rest as in `Stream`
    arousal : m_f of the precise network; frames are judged halfway between the earliest decision and the end
    resume : go on from `snapshot`, if there is such a file, with the network and the rules in it
    The first Ctrl-C ends after the item at hand, the second at once. Raises as `Stream`, `convert`, `load_plain` and
    `open_source`.
    """
    from ..conversion.entry import convert
    from ..conversion.files import load_plain

    layers, shape, facts = load_plain(model)
    chosen = facts.get("convert", {}) | time_constants(tau) | ({} if m_f is None else {"m_f": m_f})
    if resume and snapshot is None:
        raise ParameterError("resume needs a snapshot to go on from, got none")
    if arousal is not None and margin is None:
        raise ParameterError(f"arousal needs a margin below which a frame is uncertain, got arousal {arousal!r} without it")
    opened = open_source(source, shape, period=period, limit=limit, format=format, signed=signed, height=height,
                         polarity=polarity, size=None if size is None else sensor_size(size))
    common = {"rate": rate, "queue": queue, "drop": drop, "snapshot": snapshot, "snapshot_every": snapshot_every,
              "each_second": view.second}
    if resume and os.path.exists(snapshot):
        stream = Stream.resume(snapshot, opened, **common)
    else:
        network = convert(layers, to="asnn", input_shape=shape, **chosen)
        if arousal is not None:
            arousal = Arousal(arousal, (SETTLE * network.tau_eta + period) / 2, margin)
        stream = Stream(network, opened, margin=margin, arousal=arousal, **common)
    with _interruptible(stream):
        view.begin(stream)
        try:
            for decision in stream:
                view.decision(decision)
        finally:
            summary = {"model": str(model), "source": str(source), **stream.summary()}
            view.end(summary)
    return summary


@contextmanager
def _interruptible(stream):
    """The first SIGINT or SIGTERM asks `stream` to stop; the next one has its usual effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def give_back():
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(*_):
        give_back()
        stream.stop()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        give_back()
