"""Between a source and the network: a thread that reads ahead, a bounded queue, real-time pacing, and what is dropped."""

import threading
from collections import deque

DROP = ("block", "oldest", "newest")
ENDED = object()  # what `take` returns after the last item


class Feed:
    """Reads `items` in a thread of its own into a queue of `size`.

    rate : seconds of the stream per second of `clock`; an item enters the queue when it is due. 0: as soon as it can be read
    drop : where the queue is full: "block", the source waits; "oldest", the item waiting longest makes room; "newest", the item
        that comes is lost. `dropped` counts both

    >>> feed = Feed(iter([]), size=4)
    >>> feed.start()
    >>> feed.take(1.0) is ENDED
    True
    """

    def __init__(self, items, *, size=64, drop="block", rate=0.0, clock=None, sleep=None):
        self._items, self.size, self.drop, self.rate, self._clock, self._sleep = items, size, drop, rate, clock, sleep
        self._ready, self._changed = deque(), threading.Condition()
        self._origin = self._error = None
        self._ended = self._stopped = False
        self.dropped = 0

    def __len__(self):
        return len(self._ready)

    def start(self):
        """Begin to read."""
        threading.Thread(target=self.produce, name="eventsnn stream source", daemon=True).start()

    def stop(self):
        """Read no further; what the thread is waiting for is given up."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def produce(self):
        """Read to the end; an error of the source is kept for `take`."""
        try:
            for item in self._items:
                due = self._wait(item)
                if self._stopped or not self._offer(item, due):
                    break
        except BaseException as error:  # noqa: BLE001  it is raised where the items are taken
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait(self, item):
        """Let the clock come to the moment when `item` is due; returns that moment, None without pacing."""
        if not self.rate:
            return None
        if self._origin is None:
            self._origin = self._clock() - item.start / self.rate
        due = self._origin + item.due / self.rate
        while not self._stopped and (left := due - self._clock()) > 0.0:
            self._sleep(left)
        return due

    def _offer(self, item, due):
        with self._changed:
            while self.drop == "block" and len(self._ready) >= self.size and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            if len(self._ready) >= self.size:
                self.dropped += 1
                if self.drop == "newest":
                    return True
                self._ready.popleft()
            self._ready.append((item, due))
            self._changed.notify_all()
        return True

    def take(self, timeout):
        """The next (item, when it was due or None); None if there is none within `timeout` s; `ENDED` after the last.

        Raises what the source raised, in its place.
        """
        with self._changed:
            if not self._ready and not self._ended:
                self._changed.wait(timeout)
            if self._ready:
                found = self._ready.popleft()
                self._changed.notify_all()
                return found
            if not self._ended:
                return None
        if self._error is not None:
            raise self._error
        return ENDED
