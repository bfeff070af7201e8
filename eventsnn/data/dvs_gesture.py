"""DVS Gesture: hand and arm gestures of 29 people in front of an event camera of 128 x 128 pixels.

Source: Amir et al. (2017), "A Low Power, Fully Event-Based Gesture Recognition System", CVPR. As distributed it is a folder
of AEDAT 3.1 files, each with a table of when which gesture was made, and two lists, trials_to_train.txt and trials_to_test.txt,
of the files for training and testing. Ten single recordings, cut at 1.45 s, are among the tests of SLAYER (Shrestha and Orchard
2018).
"""

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import FormatError
from .events import Events, open_events
from .events.source import MEMBER

SIZE, CLASSES = 128, 11
FOLDERS = ("dvs_gesture", "DvsGesture", "dvs_gesture/DvsGesture")
LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
SMALL = "dvs_gesture10", "dvs_gesture10_bs2.zip"


class Gesture(NamedTuple):
    """One gesture: its label 0 to 10, and when it begins and ends in the recording at `path`, in s.

    >>> Gesture("user01_led.aedat", 0, 80.0, 86.5).label
    0
    """

    path: str
    label: int
    start: float
    end: float


def gesture_folder():
    """The folder of the whole set: where trials_to_train.txt lies in EVENTSNN_DATA/dvs_gesture, or None if it is not there.

    >>> gesture_folder() is None or gesture_folder().is_dir()
    True
    """
    root = os.environ.get("EVENTSNN_DATA")
    for name in FOLDERS if root else ():
        if (Path(root) / name / LISTS["train"]).is_file():
            return Path(root) / name
    return None


def dvs_gesture(split):
    """The gestures of "train" or "test", in the order of the lists: list of `Gesture`.

    Looked for in the folder dvs_gesture in the folder EVENTSNN_DATA. Raises `FormatError` if the set, a recording or a table is
    not there, or damaged.

    >>> dvs_gesture("test")[0].label                              # doctest: +SKIP
    0
    """
    folder = gesture_folder()
    if folder is None:
        raise FormatError(f"DVS Gesture was not found: there is no {LISTS['train']} in the folder dvs_gesture of EVENTSNN_DATA "
                          f"({os.environ.get('EVENTSNN_DATA', 'not set')}); unpack DvsGesture.tar.gz there")
    found = []
    for name in _lines(folder / LISTS[split]):
        recording = folder / name.strip()
        if not recording.is_file():
            raise FormatError(f"{LISTS[split]} names {name.strip()!r}, which is not there")
        found += _gestures(recording)
    return found


def gesture_events(gestures):
    """The `Events` of `gestures`, one after the other, each from its start, t = 0; a recording is read once for all.

    >>> next(gesture_events(dvs_gesture("test"))).t[0]            # doctest: +SKIP
    0.000012
    """
    path, events = None, None
    for gesture in gestures:
        if gesture.path != path:
            path, events = gesture.path, open_events(gesture.path).read()
        first, last = events.t.searchsorted([gesture.start, gesture.end])
        part = events[first:last]
        yield Events(part.t - gesture.start, part.x, part.y, part.p)


def dvs_gesture_small():
    """The ten single recordings: list of (path, label), one for each of the first ten gestures, for `open_events`.

    Looked for in dvs_gesture10/dvs_gesture10_bs2.zip in the folder EVENTSNN_DATA. Raises `FormatError` if the zip is not there.

    >>> [label for _, label in dvs_gesture_small()][:3]           # doctest: +SKIP
    [0, 1, 2]
    """
    root = os.environ.get("EVENTSNN_DATA")
    archive = Path(root or "").joinpath(*SMALL)
    if not root or not archive.is_file():
        raise FormatError(f"{'/'.join(SMALL)} was not found in the folder EVENTSNN_DATA ({root or 'not set'})")
    return [(f"{archive}{MEMBER}{number}.bs2", number - 1) for number in range(1, 11)]


def _lines(path):
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path.name} cannot be read: {error}") from error


def _gestures(recording):
    """`Gesture`s in the table of a recording: lines of class 1 to 11, start and end in us."""
    table, found = recording.with_name(f"{recording.stem}_labels.csv"), []
    for line in _lines(table)[1:]:
        try:
            label, start, end = (int(word) for word in line.split(","))
        except ValueError:
            label, start, end = 0, 0, 0
        if not 1 <= label <= CLASSES or not 0 <= start < end:
            raise FormatError(f"{table.name} is damaged: the line {line!r} must hold a class 1 to {CLASSES}, and a start "
                              f"before an end in us")
        found.append(Gesture(str(recording), label - 1, start * 1e-6, end * 1e-6))
    return found
