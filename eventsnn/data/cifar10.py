"""CIFAR-10: 60,000 colour pictures of ten classes, 32 x 32 pixels, in its binary version.

Source: A. Krizhevsky (2009), "Learning multiple layers of features from tiny images". A record is a byte of the label and 3,072
bytes of the picture: the red, green and blue planes, row by row.
"""

import os
import tarfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import FormatError

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
SIDE, CHANNELS, COUNT = 32, 3, 10_000  # pixels on a side; pictures per file
RECORD = 1 + CHANNELS * SIDE * SIDE


def cifar10():
    """The pictures: dict "train" (50,000), "test" (10,000) -> (images uint8 [n, 32, 32, 3], labels int64 [n], 0 to 9).

    Looked for in the folder cifar10 of the folder EVENTSNN_DATA: the files of the binary version, there or in
    cifar-10-batches-bin, or the archive cifar-10-binary.tar.gz as it is. Nothing is fetched. Raises `FormatError` if they are
    not there or damaged.

    >>> cifar10()["test"][0].shape     # doctest: +SKIP
    (10000, 32, 32, 3)
    """
    root = os.environ.get("EVENTSNN_DATA")
    folder = Path(root or "") / "cifar10"
    for place in (folder, folder / FOLDER):
        if root and all((place / name).is_file() for names in FILES.values() for name in names):
            return _read(lambda name, place=place: (place / name).read_bytes())
    if root and (folder / ARCHIVE).is_file():
        try:
            with tarfile.open(folder / ARCHIVE, "r:gz") as archive:
                found = {name: archive.extractfile(f"{FOLDER}/{name}").read() for names in FILES.values() for name in names}
        except (tarfile.TarError, OSError, EOFError, KeyError, zlib.error) as error:
            raise FormatError(f"cifar10/{ARCHIVE} cannot be unpacked, it may be cut short: {error}") from error
        return _read(found.__getitem__)
    where = f"there is no folder {folder} with them" if root else "EVENTSNN_DATA is not set"
    raise FormatError(f"CIFAR-10 was not found: {where}. Get {ARCHIVE} (https://www.cs.toronto.edu/~kriz/cifar.html), put it "
                      "into a folder named cifar10, and let EVENTSNN_DATA name the folder that holds that one")


def _read(content):
    return {split: tuple(np.concatenate(parts) for parts in zip(*(_pictures(name, content(name)) for name in names)))
            for split, names in FILES.items()}


def _pictures(name, data):
    if len(data) != COUNT * RECORD:
        raise FormatError(f"{name} has {len(data)} bytes; a file of the binary version of CIFAR-10 has {COUNT * RECORD}")
    records = np.frombuffer(data, np.uint8).reshape(COUNT, RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise FormatError(f"{name} holds the label {labels.max()}; labels are 0 to 9")
    return np.ascontiguousarray(records[:, 1:].reshape(COUNT, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)), labels
