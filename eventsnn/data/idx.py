"""Reader of IDX files, the array format of MNIST: a magic number, the dimensions, the numbers, all big-endian."""

import math

import numpy as np

from ..errors import FormatError
from .files import content

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 32


def read_idx(path):
    """Read the IDX file `path`, gzip or plain, into a new array of the shape and type it states, in native byte order.

    Raises `FormatError`, naming the file, for damaged gzip, another magic number, an unsupported type or number of
    dimensions, and fewer or more bytes than stated; FileNotFoundError if there is no such file.

    >>> read_idx("t10k-images-idx3-ubyte.gz").shape     # doctest: +SKIP
    (10000, 28, 28)
    """
    data = content(path)
    if len(data) < 4:
        raise FormatError(f"{path} is cut short: an IDX file starts with 4 bytes, it has {len(data)}")
    if data[:2] != b"\0\0":
        raise FormatError(f"{path} is not an IDX file: it starts with the bytes {data[:4].hex(' ')}, expected 00 00")
    code, n_dims = data[2], data[3]
    if code not in TYPES:
        known = ", ".join(f"0x{known:02x}" for known in TYPES)
        raise FormatError(f"{path} holds numbers of the unsupported type 0x{code:02x}; IDX has {known}")
    if not 1 <= n_dims <= MOST_DIMENSIONS:
        raise FormatError(f"{path} states {n_dims} dimensions; it must be 1 to {MOST_DIMENSIONS}")
    start = 4 + 4 * n_dims
    if len(data) < start:
        raise FormatError(f"{path} is cut short: its head takes {start} bytes, it has {len(data)}")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", n_dims, 4))
    dtype = np.dtype(TYPES[code])
    stated = start + dtype.itemsize * math.prod(shape)
    if len(data) != stated:
        wrong = "is cut short" if len(data) < stated else "is too long"
        raise FormatError(f"{path} {wrong}: its dimensions {shape} take {stated} bytes, it has {len(data)}")
    try:
        return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # one dimension is 0, and the others are beyond what an array can have
        raise FormatError(f"{path} states the dimensions {shape}: {error}") from error
