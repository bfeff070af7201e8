"""N-MNIST, whole or its first recordings: handwritten digits seen by an event camera of 34 x 34 pixels that moves before them.

Source: Orchard et al. (2015), "Converting static image datasets to spiking neuromorphic datasets using saccades",
Front. Neurosci. 9:437; the small selection is that of the tests of SLAYER (Shrestha and Orchard 2018).
"""

import os
from pathlib import Path

from ..errors import FormatError
from .events.source import BLOCK, MEMBER, Source, opened

FOLDER, NAME, INSIDE = "nmnist_small", "NMNISTsmall_bs2.zip", "NMNISTsmall"
LABELS = {"train": ("train1K.txt", 1000), "test": ("test100.txt", 100)}
SIZE = 34  # pixels on a side


def nmnist_small():
    """The 1,100 recordings: dict "train" (1,000), "test" (100) -> list of (path, label), labels 0 to 9.

    Each path names a member of nmnist_small/NMNISTsmall_bs2.zip in the folder EVENTSNN_DATA, for `open_events`; each recording
    holds some 4,000 events of 0.3 s. Raises `FormatError` if the zip is not there, damaged, or its labels are.

    >>> from eventsnn.data.events import open_events
    >>> path, label = nmnist_small()["test"][0]                   # doctest: +SKIP
    >>> label, len(open_events(path).read())                      # doctest: +SKIP
    (7, 3330)
    """
    root = os.environ.get("EVENTSNN_DATA")
    archive = Path(root or "") / FOLDER / NAME
    if not root or not archive.is_file():
        where = f"there is no file {archive}" if root else "EVENTSNN_DATA is not set"
        raise FormatError(f"{FOLDER}/{NAME} was not found: {where}. Put the recordings of the tests of SLAYER into a zip of "
                          f"this name in a folder named {FOLDER}, and let EVENTSNN_DATA name the folder that holds that one")
    return {split: _labelled(archive, *table) for split, table in LABELS.items()}


def nmnist():
    """The whole set as distributed: dict "train" (60,000), "test" (10,000) -> list of (path, label), for `open_events`.

    Looked for in nmnist/Train/<label>/*.bin and nmnist/Test/<label>/*.bin in the folder EVENTSNN_DATA; whatever .bin files lie
    there are taken, in the order of their names. Raises `FormatError` if there are none for some label.

    >>> len(nmnist()["test"])                                     # doctest: +SKIP
    10000
    """
    root = os.environ.get("EVENTSNN_DATA")
    folder, found = Path(root or "") / "nmnist", {}
    for split, name in (("train", "Train"), ("test", "Test")):
        found[split] = []
        for label in range(10):
            files = sorted((folder / name / str(label)).glob("*.bin")) if root else []
            if not files:
                raise FormatError(f"N-MNIST was not found: there are no .bin files in nmnist/{name}/{label} of the folder "
                                  f"EVENTSNN_DATA ({root or 'not set'}); unpack Train.zip and Test.zip there")
            found[split] += [(str(path), label) for path in files]
    return found


def _labelled(archive, table, count):
    within = f"{archive}{MEMBER}{INSIDE}/"
    with opened(within + table) as stream:
        source = Source(stream, within + table)
        lines = b"".join(iter(lambda: source.some(BLOCK), b"")).decode("latin-1").splitlines()
    try:
        rows = [tuple(map(int, line.split())) for line in lines[1:] if line.strip()]
        good = len({sample for sample, _ in rows}) == count == len(rows) and all(0 <= label <= 9 for _, label in rows)
    except ValueError:
        good = False
    if not good:
        raise FormatError(f"{within}{table} is damaged: it must hold {count} lines of a sample and a label 0 to 9")
    return [(f"{within}{sample}.bs2", label) for sample, label in rows]
