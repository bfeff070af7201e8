"""What a stream did, second by second and in total, in constant memory."""

import math
import os

BINS_PER_DECADE, LEAST, DECADES = 40, 1e-6, 10
COUNTED = ("items", "events", "decisions", "confident", "aroused", "known", "right")


class Latencies:
    """Latencies (s) as a histogram with 40 bins per decade from 1 us to 10,000 s: percentiles are at most 6 % too high.

    >>> found = Latencies()
    >>> for latency in (0.001, 0.002, 0.004):
    ...     found.add(latency)
    >>> 0.002 <= found.percentile(50) < 0.00213
    True
    """

    def __init__(self):
        self.counts, self.n, self.largest = [0] * (BINS_PER_DECADE * DECADES), 0, 0.0

    def add(self, value):
        """Count one."""
        place = math.ceil(BINS_PER_DECADE * math.log10(max(value, LEAST) / LEAST))
        self.counts[min(place, len(self.counts) - 1)] += 1
        self.n, self.largest = self.n + 1, max(self.largest, value)

    def percentile(self, percent):
        """Upper edge of the bin that holds it, None without any."""
        if not self.n:
            return None
        wanted, seen = percent / 100.0 * self.n, 0
        for k, count in enumerate(self.counts):
            seen += count
            if seen >= wanted and seen:
                return min(LEAST * 10.0 ** (k / BINS_PER_DECADE), self.largest)
        return self.largest


def resident():
    """Memory of this process that is resident now, bytes; None where the system does not tell.

    >>> resident() is None or resident() > 1_000_000
    True
    """
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


class Statistics:
    """Totals of a stream, and the rows of each second of wall time.

    work : function that returns (spikes, synaptic events) so far; queue : function that returns (waiting, dropped)

    A row has wall (s since the start), stream (s of the stream), seconds (how long the row is), items, events, decisions, the
    accuracy among them (None without labels), spikes_per_s, synaptic_events_per_s, latency_p50, latency_p95, latency_p99 (s of
    wall time, None without a decision), queue, dropped (in all) and rss (bytes).
    """

    def __init__(self, clock, work, queue, every=1.0):
        self.clock, self.work, self.queue, self.every = clock, work, queue, every
        self.total = dict.fromkeys(COUNTED, 0)
        self.delay, self.latencies, self.before = 0.0, Latencies(), 0.0
        self.begun, self.stream = None, 0.0

    def start(self):
        """The clock starts; nothing happens if it runs already."""
        if self.begun is None:
            self.begun = self.clock()
            self._mark(self.begun)

    def _mark(self, now):
        self._since, self._then, self._then_work, self._recent = now, dict(self.total), self.work(), Latencies()

    def count(self, **numbers):
        """Add to the totals."""
        for name, number in numbers.items():
            self.total[name] += number

    def decided(self, decision):
        """Count a `Decision`."""
        self.count(decisions=1, confident=decision.confident, aroused=decision.aroused)
        if decision.truth is not None:
            self.count(known=1, right=decision.label == decision.truth)
        self.delay += decision.latency
        self.latencies.add(decision.wall)
        self._recent.add(decision.wall)

    @property
    def wall(self):
        """Wall time, s; goes on where a resumed stream stopped."""
        return self.before + (0.0 if self.begun is None else self.clock() - self.begun)

    def row(self, stream, last=False):
        """The row of what has happened since the one before, if a second has passed or it is the `last`; else None."""
        self.stream = stream
        now = self.clock()
        took = now - self._since
        if took <= 0.0 or not last and took < self.every:
            return None
        new = {name: self.total[name] - self._then[name] for name in COUNTED}
        spikes, events = (a - b for a, b in zip(self.work(), self._then_work))
        waiting, dropped = self.queue()
        row = {"wall": self.wall, "stream": stream, "seconds": took, "items": new["items"], "events": new["events"],
               "decisions": new["decisions"], "accuracy": new["right"] / new["known"] if new["known"] else None,
               "spikes_per_s": spikes / took, "synaptic_events_per_s": events / took, **percentiles(self._recent),
               "queue": waiting, "dropped": dropped, "rss": resident()}
        self._mark(now)
        return row

    def summary(self):
        """Everything since the beginning, a dict."""
        t, wall = self.total, self.wall
        spikes, events = self.work()
        share = lambda part, whole: t[part] / t[whole] if t[whole] else None  # noqa: E731
        per = lambda number, whole: number / whole if whole else None  # noqa: E731
        return {"wall_s": wall, "stream_s": self.stream, "real_time_factor": per(self.stream, wall), **t,
                "dropped": self.queue()[1], "accuracy": share("right", "known"),
                "confident_share": share("confident", "decisions"), "aroused_share": share("aroused", "decisions"),
                "latency_s_mean": per(self.delay, t["decisions"]), "spikes": spikes, "synaptic_events": events,
                "spikes_per_item": per(spikes, t["items"]), "synaptic_events_per_item": per(events, t["items"]),
                "synaptic_events_per_s": per(events, wall),
                **{f"wall_{key}": value for key, value in percentiles(self.latencies).items()}, "rss": resident()}

    def snapshot(self):
        """What `restore` needs, plain numbers."""
        return {"total": dict(self.total), "delay": self.delay, "wall": self.wall, "stream": self.stream,
                "dropped": self.queue()[1], "latencies": {"counts": self.latencies.counts, "n": self.latencies.n,
                                                          "largest": self.latencies.largest}}

    def restore(self, data):
        """Go on from a `snapshot`."""
        self.total.update(data["total"])
        self.delay, self.before, self.stream = data["delay"], data["wall"], data["stream"]
        for name, value in data["latencies"].items():
            setattr(self.latencies, name, value)


def percentiles(latencies):
    """The three that are shown."""
    return {f"latency_p{p}": latencies.percentile(p) for p in (50, 95, 99)}
