"""How `eventsnn stream` shows a stream: a live table, a line per second, or JSON lines for other programs."""

import json
from collections import deque
from dataclasses import asdict

SHOWN = 60  # decisions on the screen


def amount(number):
    """A number in few characters.

    >>> amount(1234567.0), amount(12.3), amount(0)
    ('1.23 M', '12.3', '0')
    """
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(number) >= size:
            return f"{number / (1e3 if unit == ' k' else size):.3g}{unit}"
    return f"{number:.4g}"


def percent(share):
    """A share in percent, - without one."""
    return "-" if share is None else f"{100.0 * share:.2f} %"


def milliseconds(seconds):
    """Seconds as ms, - without any."""
    return "-" if seconds is None else f"{1e3 * seconds:.3g} ms"


class JsonLines:
    """One JSON object per line: {"type": "decision"}, "second" and, at the end, "summary"."""

    def __init__(self, write):
        self._write = write

    def begin(self, stream):
        """Nothing to do."""

    def decision(self, found):
        """Write a `Decision`."""
        self._line("decision", asdict(found))

    def second(self, row):
        """Write a row of the statistics."""
        self._line("second", row)

    def end(self, summary):
        """Write the totals."""
        self._line("summary", summary)

    def _line(self, kind, data):
        self._write(json.dumps({"type": kind, **data}, allow_nan=False))


class Lines:
    """One line of text per second."""

    def __init__(self, write):
        self._write, self._stream = write, None

    def begin(self, stream):
        """The stream whose totals are shown."""
        self._stream = stream

    def decision(self, found):
        """Nothing to do."""

    def second(self, row):
        """Write a row of the statistics."""
        parts = [f"{row['stream']:.1f} s", f"{row['decisions'] / row['seconds']:.0f} decisions/s",
                 f"{amount(row['synaptic_events_per_s'])} synaptic events/s",
                 f"latency {milliseconds(row['latency_p95'])} (p95)", f"queue {row['queue']}", f"dropped {row['dropped']}"]
        if row["accuracy"] is not None:
            parts.insert(2, f"accuracy {percent(row['accuracy'])}")
        self._write(", ".join(parts))

    def end(self, summary):
        """Nothing to do; the caller prints the summary."""


class Screen:
    """A table in the terminal, refreshed four times a second."""

    def __init__(self, title, console=None):
        self._title, self._console, self._row, self._last = title, console, None, deque(maxlen=SHOWN)

    def begin(self, stream):
        """Show `stream` from now on."""
        from rich.live import Live

        self._stream = stream
        self._live = Live(get_renderable=self._table, refresh_per_second=4, console=self._console)
        self._live.start()

    def decision(self, found):
        """Note a `Decision`."""
        self._last.append((str(found.label), found.truth, found.confident, found.aroused))

    def second(self, row):
        """Note a row of the statistics."""
        self._row = row

    def end(self, summary):
        """Leave the last state of the table standing."""
        self._live.refresh()
        self._live.stop()

    def _table(self):
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        total, row = self._stream.statistics.total, self._row
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_column(style="dim")
        for _ in range(3):
            table.add_column(justify="right", min_width=12)
        table.add_row("", "last second", "in all", "")
        share = total["right"] / total["known"] if total["known"] else None
        if row is None:
            table.add_row("decisions", "compiling", amount(total["decisions"]), "")
        else:
            per = lambda name: f"{amount(row[name] / row['seconds'])} /s"  # noqa: E731
            table.add_row("decisions", per("decisions"), amount(total["decisions"]), "")
            if total["events"]:
                table.add_row("camera events", per("events"), amount(total["events"]), "")
            table.add_row("accuracy", percent(row["accuracy"]), percent(share), "")
            table.add_row("spikes", f"{amount(row['spikes_per_s'])} /s", "", "")
            table.add_row("synaptic events", f"{amount(row['synaptic_events_per_s'])} /s", "", "")
            table.add_row("latency 50, 95, 99 %", *(milliseconds(row[f"latency_p{p}"]) for p in (50, 95, 99)))
            table.add_row("queue, dropped", str(row["queue"]), str(row["dropped"]), "")
            table.add_row("early, aroused", "", str(total["confident"]), str(total["aroused"]))
            if row["rss"] is not None:
                table.add_row("memory", f"{row['rss'] / 2**20:.0f} MB", "", "")
            table.add_row("stream, wall time", f"{row['stream']:.1f} s", f"{row['wall']:.1f} s", "")
        labels = Text()
        for label, truth, confident, aroused in list(self._last):
            right = truth is None or str(truth) == label
            marks = [name for name, there in (("bold red", not right), ("dim", not confident), ("underline", aroused)) if there]
            labels.append(label, style=" ".join(marks))
            labels.append(" ")
        outer = Table.grid(padding=(1, 0))
        outer.add_row(table)
        outer.add_row(labels)
        return Panel(outer, title=self._title, subtitle="Ctrl-C ends after this item", width=76)
