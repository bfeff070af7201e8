"""Write files so that a reader sees either the old content or the new one, never half of it."""

import errno
import json
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path):
    """Give a temporary path to write to; on success it replaces `path`, on any exception it is removed.

    The temporary file lies in the same folder and keeps the suffix, is flushed to disk before the replacement, and has
    the access rights of the file it replaces (or the usual ones of a new file). A symbolic link is followed. Raises
    `FileNotFoundError` if the folder does not exist, and whatever the writer raises.

    >>> with atomic_path("result.txt") as temporary:       # doctest: +SKIP
    ...     temporary.write_text("all or nothing")
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"no such folder to write {target.name} to", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, give the name of a file", str(target))
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(6)}{target.suffix}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        with suppress(FileNotFoundError):
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    with suppress(OSError):  # not every file system lets a folder be flushed; the content is safe by now
        _flush(target.parent, os.O_RDONLY)


def _flush(path, flags=os.O_RDWR):
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path, data):
    """Write `data` as indented UTF-8 JSON, atomically; NumPy numbers and arrays are taken as plain ones.

    Raises `TypeError` for what JSON cannot hold, before anything is written.

    >>> write_json("summary.json", {"accuracy": 0.95})     # doctest: +SKIP
    """
    text = json.dumps(data, indent=2, default=plain, ensure_ascii=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plain(value):
    """Turn a NumPy number or array or a path into what JSON can hold; raises `TypeError` for anything else."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")
