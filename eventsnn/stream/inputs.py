"""Sources by name: MNIST, arrays of frames, recordings of event cameras, and what comes through a pipe."""

import io
import json
import sys
from itertools import islice
from math import isqrt

import numpy as np

from ..errors import FormatError, ParameterError
from .sources import EventSource, FrameSource

SETS = ("mnist", "fashion")
STDIN, FRAMES = "-", "frames"
BLOCK, LONGEST = 1 << 16, 1 << 24  # bytes read at once; bytes of the longest line
NMNIST = (34, 34)  # the sensor of N-MNIST, whose files do not say it


def open_source(name, shape, *, period, limit=None, format=None, signed=False, size=None, height=None, polarity="both"):
    """The `FrameSource` or `EventSource` called `name`, for a network of input `shape`.

    name : "mnist" or "fashion", test images with labels; a .npy file of frames [n, ...]; a recording of events; "-", standard
        input. Frames of bytes are divided by 255
    format : "frames", lines of numbers, one frame a line; or a format of `open_events`. None: frames on standard input, what
        the content or name says in files
    limit : only so many frames; signed : they may be negative
    size : (height, width) of the sensor, where the recording does not say it

    Raises `FormatError` for files that cannot be read, `ParameterError` for sensors that do not fit.
    """
    if limit is not None and limit < 1:
        raise ParameterError(f"limit must be >= 1, got {limit!r}")
    if name in SETS:
        from ..data.mnist import fashion_mnist, mnist

        images, labels = {"mnist": mnist, "fashion": fashion_mnist}[name]()["test"]
        return FrameSource(scaled(images[:limit]), period, labels[:limit])
    if format == FRAMES or (name == STDIN and format is None):
        stream = _stdin() if name == STDIN else _opened(name)
        return FrameSource(islice(frames_of_lines(stream), limit), period, signed=signed)
    if str(name).endswith(".npy"):
        return FrameSource(scaled(_array(name)[:limit]), period, signed=signed)
    if limit is not None:
        raise ParameterError(f"limit counts frames; {name} holds events, got limit {limit!r}")
    from ..data.events import open_events

    recording = open_events(_stdin() if name == STDIN else name, format=format)
    if size is None and recording.width is not None:
        size = recording.height, recording.width
    if size is None and recording.format == "bin":
        size = NMNIST
    if size is None:
        raise ParameterError(f"size of the sensor must be given: {name} does not say it")
    return EventSource(recording.chunks(), image_shape(shape), size=size, period=period, height=height, polarity=polarity)


def image_shape(shape):
    """(polarities, height, width) of the input of a network; a plain vector stands for one or two square images.

    >>> image_shape((784,)), image_shape((2, 34, 34)), image_shape((2312,))
    ((1, 28, 28), (2, 34, 34), (2, 34, 34))
    """
    n = int(np.prod(shape))
    if len(shape) == 3 and shape[0] in (1, 2):
        return tuple(shape)
    for polarities in (1, 2):
        side = isqrt(n // polarities)
        if len(shape) == 1 and side and polarities * side * side == n:
            return polarities, side, side
    raise ParameterError(f"events need a network whose input is one or two images, one per polarity; it takes {list(shape)}")


def scaled(frames):
    """Frames one by one, bytes divided by 255."""
    factor = 255.0 if frames.dtype == np.uint8 else 1.0
    return (frame / factor for frame in frames)


def frames_of_lines(stream):
    """Arrays from lines of numbers, split by blanks or commas or as JSON lists; empty lines are passed over.

    Raises `FormatError` with the number of the line.

    >>> [frame.tolist() for frame in frames_of_lines(io.BytesIO(b"1 2\\n[0.5, 3]\\n"))]
    [[1.0, 2.0], [0.5, 3.0]]
    """
    for number, line in enumerate(_lines(stream), 1):
        text = line.strip()
        if not text:
            continue
        try:
            values = json.loads(text) if text.startswith(b"[") else [float(word) for word in text.replace(b",", b" ").split()]
            yield np.asarray(values, np.float64)
        except (ValueError, TypeError, RecursionError):
            raise FormatError(f"line {number} of the input is not a list of numbers: {text[:40].decode(errors='replace')!r}") \
                from None


def _lines(stream):
    """Lines as soon as they have arrived."""
    rest = b""
    while data := stream.read(BLOCK):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
        if len(rest) > LONGEST:
            raise FormatError(f"a line of the input is longer than {LONGEST} bytes")
    if rest:
        yield rest


def _stdin():
    """Standard input without a buffer: what is there is read at once, and a thread waiting for it does not hold up the end."""
    try:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    except io.UnsupportedOperation:
        return sys.stdin.buffer


def _opened(name):
    try:
        return open(name, "rb", buffering=0)
    except OSError as error:
        raise FormatError(f"cannot read {name}: {error.strerror}") from None


def _array(name):
    try:
        frames = np.load(name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"cannot read {name} as an array: {error}") from None
    if frames.ndim < 2 or frames.dtype.kind not in "uifb":
        raise FormatError(f"{name} must hold frames [n, ...] of numbers, got {frames.dtype} {list(frames.shape)}")
    return frames
