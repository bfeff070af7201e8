"""Progress bars, and the chunks a long run is cut into so that it can show one and be interrupted."""

import signal
import sys
import threading
import time

TARGET_CHUNK = 0.25  # s of wall time
FIRST_CHUNK = 4096.0  # the first chunk is this part of the run, whatever it costs
SILENT = 1.0  # s of wall time before a bar appears


class Pace:
    """Chooses the ends of chunks by wall time, and shows a bar on stderr once a run turns out to be long."""

    def __init__(self, start, until, progress):
        self.main = threading.current_thread() is threading.main_thread()
        self.until = until
        self.width = (until - start) / FIRST_CHUNK if self.main or progress else until - start
        self.begun = self.last = time.perf_counter()
        self.start, self.progress, self.bar = start, progress, None

    def __enter__(self):
        """Hold Ctrl-C back to the end of a chunk, where nothing is lost."""
        self.interrupted, self.handler = False, None
        if self.main:
            self.handler = signal.getsignal(signal.SIGINT)
            if self.handler is not None:
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, *_):
        self.interrupted = True

    def next_stop(self, now):
        """End of the next chunk."""
        self.last = time.perf_counter()
        stop = now + self.width
        return self.until if stop >= self.until or not stop > now else stop

    def show(self, now, spikes):
        """Adapt the chunk to the time the last one took; update the bar."""
        if self.interrupted:
            raise KeyboardInterrupt
        tick = time.perf_counter()
        took = max(tick - self.last, 1e-6)
        self.width *= min(64.0, max(0.25, TARGET_CHUNK / took))
        if self.progress and self.bar is None and tick - self.begun > SILENT and sys.stderr.isatty():
            from tqdm import tqdm
            self.bar = tqdm(total=round(self.until - self.start, 9), unit="s", file=sys.stderr, leave=False,
                            bar_format="{l_bar}{bar}| {n:.3f}/{total:.3f} s [{elapsed}<{remaining}{postfix}]")
        if self.bar is not None:
            self.bar.n = now - self.start
            self.bar.set_postfix_str(f"{spikes} spikes")

    def __exit__(self, kind, *_):
        if self.handler is not None:
            signal.signal(signal.SIGINT, self.handler)
        if self.bar is not None:
            self.bar.close()
        if self.interrupted and kind is None:
            raise KeyboardInterrupt


def over(items, total, progress):
    """Iterate with a bar if `progress` and stderr is a terminal."""
    if progress and sys.stderr.isatty():
        from tqdm import tqdm
        return tqdm(items, total=total, file=sys.stderr, leave=False, unit="sample")
    return items
