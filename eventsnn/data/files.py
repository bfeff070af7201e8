"""Find data files: in the folder EVENTSNN_DATA, else in a cache that is filled from the internet, checked by SHA-256."""

import gzip
import hashlib
import os
import zlib
from pathlib import Path

from ..errors import FormatError


def locate(folder, name, url, sha256):
    """Path of the data file `name`: $EVENTSNN_DATA/`folder`/`name` if it exists, else a cached download from `url`.

    A download is kept only if its content, unpacked if it is gzip, has the SHA-256 sum `sha256` (64 hex digits), so
    the packing may differ between distributors. Files that are there already are not checked. Raises `FormatError`,
    which says what to do, if the file is neither there nor fetched whole; nothing is left in the cache then.

    >>> locate("mnist", "t10k-labels-idx1-ubyte.gz", url, sha256).name     # doctest: +SKIP
    't10k-labels-idx1-ubyte.gz'
    """
    root = os.environ.get("EVENTSNN_DATA")
    if root and (Path(root) / folder / name).is_file():
        return Path(root) / folder / name
    import pooch

    def fetch(url, output_file, store):
        pooch.HTTPDownloader()(url, output_file, store)
        found = hashlib.sha256(content(output_file)).hexdigest()
        if found != sha256:
            raise FormatError(f"the SHA-256 sum of what arrived is {found}, expected {sha256}")

    try:
        store = pooch.Pooch(pooch.os_cache("eventsnn") / folder, "", {name: None}, {name: url})
        return Path(store.fetch(name, downloader=fetch))
    except (OSError, ValueError) as error:
        where = f"there is no file {Path(root) / folder / name}" if root else "EVENTSNN_DATA is not set"
        raise FormatError(f"{folder}/{name} was not found: {where}, and it could not be fetched from {url}: {error}. "
                          f"Connect to the internet, or get the file, put it into a folder named {folder}, and let "
                          "EVENTSNN_DATA name the folder that holds that one") from error


def content(path):
    """The bytes of the file `path`, unpacked if it is gzip, whatever its name.

    Raises `FormatError` for damaged gzip and FileNotFoundError if there is no such file.

    >>> len(content("train-labels-idx1-ubyte.gz"))     # doctest: +SKIP
    60008
    """
    data = Path(path).read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path} cannot be unpacked, it may be cut short: {error}") from error
