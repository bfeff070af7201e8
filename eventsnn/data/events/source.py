"""Bytes of a recording from a file, from a file within a zip, or from a pipe, with a look ahead."""

import os
import stat
import zipfile
import zlib
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import FormatError, InputError, UnknownNameError

BLOCK = 1 << 20  # bytes asked for at once where a size that a file states is read
MEMBER = "::"


class Source:
    """The bytes of the binary `stream`, in order; `name` appears in errors, `position` counts what was taken.

    Reads as much as is there and waits only where nothing is, so a slow pipe is passed on as it comes.
    """

    def __init__(self, stream, name):
        self.name, self.position = name, 0
        self._read = getattr(stream, "read1", stream.read)
        self._held = b""

    def _more(self, n):
        try:
            data = self._read(n)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FormatError(f"{self.name} cannot be unpacked, it may be damaged: {error}") from error
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InputError(f"{self.name} must be a blocking binary stream; it gave {type(data).__name__} instead of bytes")
        return bytes(data)

    def peek(self, n):
        """The next `n` bytes, fewer at the end only, without taking them."""
        while len(self._held) < n and (data := self._more(max(n - len(self._held), 4096))):
            self._held += data
        return self._held[:n]

    def some(self, n):
        """Between 1 and `n` bytes, or b"" at the end."""
        if self._held:
            data, self._held = self._held[:n], self._held[n:]
        else:
            data = self._more(n)
        self.position += len(data)
        return data

    def exactly(self, n, what, may_end=False):
        """The next `n` bytes. Raises `FormatError` if there are fewer; with `may_end`, none at all give b""."""
        parts, left = [], n
        while left and (data := self.some(min(left, BLOCK))):
            parts.append(data)
            left -= len(data)
        if left and not (may_end and left == n):
            raise FormatError(f"{self.name} is cut short: {what} takes {n} bytes, there are {n - left}")
        return b"".join(parts)

    def line(self, most=65_536):
        """The next line with its end, at most `most` bytes. Raises `FormatError` if it does not end."""
        while (end := self._held.find(b"\n")) < 0:
            size = len(self._held)
            if size > most or len(self.peek(size + 1)) == size:
                raise FormatError(f"{self.name} is cut short or damaged: a line of its head does not end")
        return self.some(end + 1)

    def records(self, dtype, n, left=None):
        """Arrays of 1 to `n` whole records of `dtype`, of the next `left` records or up to the end.

        Raises `FormatError` once all that is whole was given, if the last record is not whole or one of `left` is missing.
        """
        size, rest = np.dtype(dtype).itemsize, b""
        while left is None or left > 0:
            data = self.some((n if left is None else min(n, left)) * size - len(rest))
            if not data:
                break
            data = rest + data if rest else data
            whole = len(data) // size
            rest = data[whole * size:]
            if whole:
                left = None if left is None else left - whole
                yield np.frombuffer(data, dtype, whole)
        if rest or left:
            raise FormatError(f"{self.name} is cut short: its last record has {len(rest)} of {size} bytes")


@contextmanager
def opened(path):
    """A binary stream of the file at `path`, or of a file within a zip: ``archive.zip::folder/member``.

    Raises `FileNotFoundError` if there is no such file, `UnknownNameError` if the zip has no such member, and
    `FormatError` for a damaged or encrypted one.
    """
    archive, member = split(path)
    if member is None:
        with open(archive, "rb") as stream:
            yield stream
        return
    status = os.stat(archive)
    opened_zip = _archive(archive, status.st_mtime_ns, status.st_size, status.st_ino, os.getpid())
    try:
        stream = opened_zip.open(member)
    except KeyError:
        names = opened_zip.namelist()
        close = get_close_matches(member, names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownNameError(f"{archive} has no file {member!r} among its {len(names)}{hint}") from None
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise FormatError(f"{archive}{MEMBER}{member} cannot be unpacked: {error}") from error
    with stream:
        yield stream


def split(path):
    """(file, member or None) of a path that may be ``archive.zip::member``.

    >>> split("data/set.zip::set/1.bs2")
    ('data/set.zip', 'set/1.bs2')
    """
    path = os.fspath(path)
    archive, mark, member = path.partition(".zip" + MEMBER)
    return (path, None) if not mark or Path(path).exists() else (archive + ".zip", member)


def is_regular(path):
    """Whether `path` can be opened again and again: a file or a member of a zip, but no pipe.

    >>> is_regular("no such file")
    True
    """
    try:
        return not stat.S_ISFIFO(mode := os.stat(split(path)[0]).st_mode) and not stat.S_ISCHR(mode)
    except OSError:
        return True


@lru_cache(maxsize=4)
def _archive(path, *version):
    """The open zip at `path`, kept because opening it reads its table of contents; one per version and process."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise FormatError(f"{path} is not a zip file, or damaged: {error}") from error
