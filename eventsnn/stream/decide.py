"""When a stream decides: the first confident answer, or the end of an item; arousal for what stays uncertain."""

from dataclasses import dataclass, field

import numpy as np

from ..errors import ParameterError
from .sources import seconds

READOUTS = ("v", "spikes")


@dataclass(frozen=True)
class Decision:
    """One answer of a stream.

    time : s of the stream, when it was made; latency : s since the onset of its item; item : number of the item
    label : the largest logit; margin : by how much it exceeds the second; confident : the margin held, see `Stream`
    truth : the right answer, None if not known; aroused : made by the precise network
    wall : s of wall time from when the item was due (with pacing) or taken (without) to the decision; not compared by ==

    >>> import eventsnn as es
    >>> es.Decision(time=0.05, label=7, margin=2.0, latency=0.05, item=0, confident=True).label
    7
    """

    time: float
    label: int
    margin: float
    latency: float
    item: int
    confident: bool
    truth: int | None = None
    aroused: bool = False
    wall: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Arousal:
    """Raise the precision for uncertain frames only.

    A frame whose margin is still below `margin` at `after` s since its onset, without a decision, is also shown to the same
    network converted with `m_f`, smaller than that of the stream, from rest, until the end of its period; that network then
    decides. The network of the stream goes on meanwhile. Raises `ParameterError` for values out of range.

    >>> import eventsnn as es
    >>> es.Arousal(m_f=0.1, after=0.08, margin=2.0)
    Arousal(m_f=0.1, after=0.08, margin=2.0)
    """

    m_f: float
    after: float
    margin: float

    def __post_init__(self):
        for name in ("m_f", "after", "margin"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or not value > 0.0:
                raise ParameterError(f"{name} of Arousal must be a finite number > 0, got {value!r}")


@dataclass(frozen=True)
class Rules:
    """How a `Stream` decides; its arguments, checked."""

    every: float
    margin: float | None
    hold: float
    settle: float
    arousal: Arousal | None
    readout: str

    def __post_init__(self):
        seconds(self.every, "every", "Stream")
        for name in ("hold", "settle"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value < 0.0:
                raise ParameterError(f"{name} of Stream must be a finite number of seconds >= 0, got {value!r}")
        margin = self.margin
        if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float) or not margin > 0.0):
            raise ParameterError(f"margin of Stream must be a number > 0 or None, got {margin!r}")
        if self.readout not in READOUTS:
            raise ParameterError(f"readout of Stream must be one of {', '.join(READOUTS)}, got {self.readout!r}")
        if self.arousal is not None and not isinstance(self.arousal, Arousal):
            raise ParameterError(f"arousal of Stream must be an es.Arousal, got {self.arousal!r}")

    def moments(self, period, watched):
        """When the logits are read, s since the onset of an item of `period` s; the last is its end.

        watched : somebody wants to see all of them
        """
        moments = np.arange(1, max(int(np.ceil(period / self.every - 1e-9)), 1) + 1) * self.every
        moments[-1] = period
        asked = np.full(moments.size, watched)
        if self.margin is not None:
            asked |= moments >= self.settle - 1e-9 * self.every
        if self.arousal is not None:
            asked[self.first_after(moments)] = True
        asked[-1] = True
        return moments[asked]

    def first_after(self, moments):
        """Index of the moment at which arousal asks, that of the end at the latest."""
        return min(int(np.searchsorted(moments, self.arousal.after - 1e-9 * self.every)), moments.size - 1)


class Judge:
    """Says when a margin has held for long enough.

    >>> judge = Judge(margin=1.0, hold=0.002)
    >>> [judge.confident(t, 3, 1.5) for t in (0.001, 0.002, 0.003)]
    [False, False, True]
    """

    def __init__(self, margin, hold):
        self.margin, self.hold, self._since, self._label = margin, hold, None, None

    def confident(self, time, label, margin):
        """Whether at `time` the same label has led by the margin for `hold` s."""
        if self.margin is None or margin < self.margin:
            self._since = None
            return False
        if self._since is None or label != self._label:
            self._since, self._label = time, label
        return time - self._since >= self.hold * (1.0 - 1e-9)


def best(logits):
    """(label, margin between the largest and the second).

    >>> best(np.array([1.0, 4.0, 2.5]))
    (1, 1.5)
    """
    label = int(np.argmax(logits))
    others = logits.copy()
    others[label] = -np.inf
    return label, float(logits[label] - others.max())
