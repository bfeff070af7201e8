"""`Stream`: carries a network through an endless input and yields its decisions."""

import time
from dataclasses import asdict

import numpy as np

from ..errors import InputError, ParameterError
from .decide import Arousal, Decision, Judge, Rules, best
from .feed import DROP, ENDED, Feed
from .machine import SETTLE, Machine, finer, machine_of
from .snapshot import read_snapshot, write_snapshot
from .sources import EventSource, FrameSource
from .statistics import Statistics

PATIENCE = 0.2  # s between two looks at the clock while no item comes


class Stream:
    """An iterator of `Decision`s, one per item of `source`; the state of the network is carried from item to item.

    model : an `AsnnModel` (of `es.convert`), or a `Network` with populations "input" and "output"
    source : `FrameSource` or `EventSource`
    margin : decide as soon as the largest logit has exceeded the second by `margin` for `hold` s, never before `settle` s after
        the onset of an item (None: 2.5 tau_eta for frames in a converted network, else 0). None: at the end of each item
    every : s of the stream between two readings of the logits; nothing is read when nobody asks
    arousal : an `Arousal`: frames that stay uncertain are shown to a more precise network too
    readout : "v", V of "output"; or "spikes", its spikes since the onset of the item
    rate : seconds of the stream per second of wall time, 1.0: real time; 0.0: as fast as possible. Items enter the queue when
        they are due: a frame at its onset, a stretch of events at its end
    queue, drop : items that may wait, and what happens when more come: "block" (the source waits), "oldest" or "newest" is
        dropped and counted. Dropped items take no simulated time
    snapshot, snapshot_every : file for `resume`, written at the end of an item when so many s of wall time have passed, and at
        the end
    observer : function (item, s since its onset, logits), called every `every` s
    each_second : function (row), called once per second of wall time with what `Statistics` counted
    seed : of the simulation; clock, sleep : functions, for tests

    Raises `ParameterError`, `NetworkError`; while it runs, `InputError` for bad items and what the source raises.

    >>> import numpy as np, eventsnn as es
    >>> model = es.convert([es.ann.Linear([[1.0, 0.0], [0.0, 1.0]])], to="asnn")
    >>> stream = es.Stream(model, es.FrameSource([[1.0, 0.2], [0.1, 0.9]], period=0.3))
    >>> [decision.label for decision in stream]
    [0, 1]
    """

    def __init__(self, model, source, *, every=1e-3, margin=None, hold=5e-3, settle=None, arousal=None, readout="v", rate=0.0,
                 queue=64, drop="block", snapshot=None, snapshot_every=60.0, observer=None, each_second=None, seed=0,
                 clock=time.perf_counter, sleep=time.sleep):
        _check_source(source)
        if settle is None:
            settle = SETTLE * model.tau_eta if source.kind == "frames" and hasattr(model, "tau_eta") else 0.0
        self.rules = Rules(every, margin, hold, settle, arousal, readout)
        self.machine = machine_of(model, source, readout, seed)
        self._fine = None
        if arousal is not None:
            if source.kind != "frames":
                raise ParameterError("arousal of Stream is for frames; events are gone when the precise network would see them")
            self._fine = machine_of(finer(model, arousal.m_f), source, readout, seed)
        self._dropped_before = 0
        self.position = 0
        self._prepare(source, 0, rate, queue, drop, snapshot, snapshot_every, observer, each_second, clock, sleep)

    def _prepare(self, source, first, rate, queue, drop, snapshot, snapshot_every, observer, each_second, clock, sleep):
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not np.isfinite(rate) or rate < 0.0:
            raise ParameterError(f"rate of Stream must be a finite number >= 0, got {rate!r}")
        if isinstance(queue, bool) or not isinstance(queue, int) or queue < 1:
            raise ParameterError(f"queue of Stream must be a whole number >= 1, got {queue!r}")
        if drop not in DROP:
            raise ParameterError(f"drop of Stream must be one of {', '.join(DROP)}, got {drop!r}")
        if not isinstance(snapshot_every, int | float) or not snapshot_every >= 0.0:
            raise ParameterError(f"snapshot_every of Stream must be a number of seconds >= 0, got {snapshot_every!r}")
        self.kind, self.period = source.kind, source.period
        self._packed = None if snapshot is None or self._fine is None else self._fine.packed()
        self._observer, self._each_second, self._clock = observer, each_second or (lambda row: None), clock
        self._snapshot, self._snapshot_every = snapshot, snapshot_every
        begin = self.position  # not self: the thread that reads must not keep a stream alive that nobody uses any more
        items = (item for item in source.items(self.machine.shape, first) if item.number >= begin)
        self.feed = Feed(items, size=queue, drop=drop, rate=rate, clock=clock, sleep=sleep)
        self.statistics = Statistics(clock, self._work, lambda: (len(self.feed), self._dropped_before + self.feed.dropped))
        self._stopped = False
        self._decisions = self._run()

    @classmethod
    def resume(cls, path, source, *, skip=True, rate=0.0, queue=64, drop="block", snapshot=None, snapshot_every=60.0,
               observer=None, each_second=None, clock=time.perf_counter, sleep=time.sleep):
        """Go on from a snapshot with the same bits; how decisions are made is in the file.

        source : the same from its beginning, of which what is done is skipped; skip=False: what comes next, as from a camera
        Raises `FormatError` for damaged, other or newer files, `InputError` for a source of another kind or period. Resume
        only files that you wrote: they hold pickles.
        """
        _check_source(source)
        simulation, facts, fine = read_snapshot(path)
        if (source.kind, source.period) != (facts["kind"], facts["period"]):
            raise InputError(f"{path} goes on with {facts['kind']} of period {facts['period']!r} s, got {source.kind} of "
                             f"{source.period!r} s")
        self = cls.__new__(cls)
        arousal = facts["rules"].pop("arousal")
        self.rules = Rules(**facts["rules"], arousal=None if arousal is None else Arousal(**arousal))
        self.machine = Machine(simulation, facts["shape"], self.rules.readout)
        self.machine.skipped = facts["skipped"]
        self._fine = None if fine is None else Machine.unpacked(fine)
        if fine is not None:
            self._fine.before = np.array(facts["fine_work"])
        self.position, self._dropped_before = facts["position"], facts["statistics"]["dropped"]
        self._prepare(source, 0 if skip else self.position, rate, queue, drop, snapshot, snapshot_every, observer, each_second,
                      clock, sleep)
        self.statistics.restore(facts["statistics"])
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._decisions)

    def stop(self):
        """End after the item at hand; may be called from a signal handler or another thread."""
        self._stopped = True

    def close(self):
        """End now; the last snapshot stays as it is."""
        self._decisions.close()

    def summary(self):
        """Totals, a dict of plain numbers: see `Statistics`."""
        return self.statistics.summary()

    def _work(self):
        spikes, events = self.machine.work() + (self._fine.work() if self._fine else 0)
        return int(spikes), int(events)

    def _run(self):
        for machine in filter(None, (self.machine, self._fine)):
            machine.warm()
        self.statistics.start()
        self.feed.start()
        saved = self._clock()
        try:
            while not self._stopped:
                taken = self.feed.take(PATIENCE)
                self._tick()
                if taken is ENDED:
                    break
                if taken is not None:
                    yield from self._process(*taken)
                    if self._snapshot is not None and self._clock() - saved >= self._snapshot_every:
                        self._save()
                        saved = self._clock()
            if self._snapshot is not None:
                self._save()
            self._tick(last=True)
        finally:
            self.feed.stop()

    def _tick(self, last=False):
        row = self.statistics.row(self.machine.time, last)
        if row is not None:
            self._each_second(row)

    def _process(self, item, due):
        """Carry the network through `item`; yields its decision once it is made."""
        due = self._clock() if due is None else due
        machine, rules, watched = self.machine, self.rules, self._observer is not None
        judge, decided, may_rouse = Judge(rules.margin, rules.hold), False, rules.arousal is not None
        period, slack = item.end - item.start, 1e-9 * rules.every
        machine.begin(item, item.number == self.position)
        for moment in rules.moments(period, watched):
            last = moment == period
            if decided and not watched and not last:
                continue
            time = item.end if last else item.start + moment
            machine.advance(time)
            self._tick()
            if decided and not watched:
                break
            logits = machine.read()
            if watched:
                self._observer(item, float(moment), logits)
            if decided:
                continue
            (label, margin), aroused = best(logits), False
            confident = moment >= rules.settle - slack and judge.confident(moment, label, margin)
            if may_rouse and not confident and not last and moment >= rules.arousal.after - slack:
                may_rouse, aroused = False, margin < rules.arousal.margin
                if aroused:
                    label, margin = self._look_closely(item, item.end - time)
                    time, confident = item.end, margin >= rules.arousal.margin
            if confident or aroused or last:
                decided = True
                yield self._decision(item, due, time, label, margin, confident, aroused)
        self.position = item.number + 1
        self.statistics.count(items=1, events=0 if item.spikes is None else len(item.spikes))

    def _look_closely(self, item, duration):
        self._fine.again()
        self._fine.show(item.values)
        self._fine.advance(duration)
        return best(self._fine.read())

    def _decision(self, item, due, time, label, margin, confident, aroused):
        found = Decision(float(time), label, margin, float(time - item.start), item.number, bool(confident), item.label,
                         aroused, wall=self._clock() - due)
        self.statistics.decided(found)
        return found

    def _save(self):
        """Write a snapshot, between two items."""
        fine = self._fine
        facts = {"kind": self.kind, "period": self.period, "rules": asdict(self.rules), "shape": self.machine.shape,
                 "skipped": self.machine.skipped, "position": self.position, "statistics": self.statistics.snapshot(),
                 "fine_work": None if fine is None else fine.work()}
        write_snapshot(self._snapshot, self.machine.simulation, facts, self._packed)


def _check_source(source):
    if not isinstance(source, FrameSource | EventSource):
        raise ParameterError(f"source of Stream must be an es.FrameSource or es.EventSource, got {type(source).__name__}")
