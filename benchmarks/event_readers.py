"""How many events per second do the readers of recordings take, format by format?

Reads the sample recordings of the folder EVENTSNN_DATA again and again: opening, decoding, seconds, checks. The formats without
a sample there (AEDAT 3.1, text) get the events of one of the others, written by this script. CPU time of one pinned process.

    python benchmarks/event_readers.py
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import RESULTS, command, load, machine, pin, versions, write

from eventsnn.data.events import open_events
from eventsnn.data.nmnist import nmnist_small

SAMPLES = {
    "bin": "event_samples/sample_nmnist.bin", "bs1": "event_samples/NTIDIGITS_1.bs1",
    "bs2": "dvs_gesture10/dvs_gesture10_bs2.zip::4.bs2",
    "bs3": "event_samples/dvs_gesture_1.bs3", "dat": "event_samples/sample_ncars.dat", "evt2": "event_samples/evt2_sample.raw",
    "evt3": "event_samples/evt3_sample.raw", "aedat4": "event_samples/sample.aedat4", "es": "event_samples/dvs.es",
}
REPEATS, SHORTEST = 9, 0.1  # runs of at least so many seconds


def write_aedat3(path, events):
    """`events` in packets of 4,096, as AEDAT 3.1."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = 1 | events.p.astype("<u4") << 1 | events.y.astype("<u4") << 2 | events.x.astype("<u4") << 17
    words[:, 1] = np.rint(events.t * 1e6)
    parts = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DAVIS346\r\n#!END-HEADER\r\n"]
    for start in range(0, len(words), 4096):
        packet = words[start:start + 4096]
        head = np.array([1 | 1 << 16, 8, 4, 0, len(packet), len(packet), len(packet)], "<u4")
        parts += [head.tobytes(), packet.tobytes()]
    path.write_bytes(b"".join(parts))


def write_lines(path, events, pattern):
    columns = (column.tolist() for column in (events.x, events.y, events.t, events.p))
    path.write_text("".join(pattern.format(x=x, y=y, t=t, p=p) for x, y, t, p in zip(*columns)))


def rate(path):
    """(events, median of million events per second) of reading `path` whole."""
    n, rates = len(open_events(path).read()), []
    for _ in range(REPEATS):
        times, start = 0, time.process_time()
        while (passed := time.process_time() - start) < SHORTEST:
            open_events(path).read()
            times += 1
        rates.append(n * times / passed / 1e6)
    return n, statistics.median(rates)


def all_of_nmnist():
    """(events, million events per second) of the 1,100 small recordings in a zip."""
    start = time.process_time()
    n = sum(len(open_events(path).read()) for pairs in nmnist_small().values() for path, _ in pairs)
    return n, n / (time.process_time() - start) / 1e6


def main():
    pin(0)
    data = Path(os.environ["EVENTSNN_DATA"])
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: str(data / sample) for name, sample in SAMPLES.items()}
        film = open_events(paths["es"]).read()
        paths |= {name: str(Path(folder) / file) for name, file in
                  (("aedat3", "film.aedat"), ("text", "film.txt"), ("jsonl", "film.jsonl"))}
        write_aedat3(Path(paths["aedat3"]), film)
        write_lines(Path(paths["text"]), film[:100_000], "{x} {y} {t:.6f} {p}\n")
        write_lines(Path(paths["jsonl"]), film[:100_000], '{{"x": {x}, "y": {y}, "t": {t:.6f}, "p": {p}}}\n')
        for name, path in paths.items():
            rows[name] = rate(path)
    rows["1,100 members of a zip"] = all_of_nmnist()
    print("| format | events in the file | million events per second |\n|---|---|---|")
    for name, (n, speed) in rows.items():
        print(f"| {name} | {n:,} | {speed:.2g} |")
    write(RESULTS / "event_readers.json", {"command": command(), "machine": machine(), "versions": versions(), "load": load(),
                                           "rows": {name: {"events": n, "million_events_per_s": round(speed, 3)}
                                                    for name, (n, speed) in rows.items()}})


if __name__ == "__main__":
    main()
