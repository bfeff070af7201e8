"""MNIST and its encodings: IDX files and their damage, downloads, the crop against Pillow, the real data."""

import doctest
import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from eventsnn.data import mnist as module
from eventsnn.data.files import content, locate
from eventsnn.data.idx import read_idx
from eventsnn.data.mnist import NAMES, SHA256, URL, crop_16, fashion_mnist, latency_16, latency_28, mnist, splits
from eventsnn.errors import FormatError, ParameterError

DATA = Path(os.environ.get("EVENTSNN_DATA", ""))
PLACE = "toy", "toy.gz", "https://example.invalid/toy.gz"


def needs(folder):
    there = all((DATA / folder / name).is_file() for name in SHA256[folder])
    return pytest.mark.skipif(not there, reason=f"EVENTSNN_DATA does not hold {folder}")


def idx_bytes(array, code=0x08):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def draw(n, size=28, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


# --- IDX files

@pytest.mark.parametrize("code, dtype", [(8, ">u1"), (9, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_gives_back_what_was_written(tmp_path, code, dtype, pack):
    array = (np.arange(24) * 5 - 60).astype(dtype).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(pack(idx_bytes(array, code)))
    found = read_idx(tmp_path / "a")
    assert np.array_equal(found, array) and found.dtype == np.dtype(dtype).newbyteorder("=") and found.flags.writeable


def test_idx_of_known_bytes(tmp_path):
    (tmp_path / "a").write_bytes(bytes.fromhex("00000b02 00000001 00000002 0001 fffe"))
    assert read_idx(tmp_path / "a").tolist() == [[1, -2]]
    (tmp_path / "a").write_bytes(bytes.fromhex("00000803 00000000 0000001c 0000001c"))
    assert read_idx(str(tmp_path / "a")).shape == (0, 28, 28)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_cut_anywhere_is_refused(tmp_path, pack):
    whole = pack(idx_bytes(draw(2, 3)))
    for length in range(len(whole)):
        path = tmp_path / "cut.gz"
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"cut\.gz (is cut short|cannot be unpacked, it may be cut short)"):
            read_idx(path)


def test_a_flipped_bit_in_packed_numbers_is_refused(tmp_path):
    whole = gzip.compress(idx_bytes(draw(3)))
    for place in range(12, len(whole), 7):
        (tmp_path / "bad.gz").write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        with pytest.raises(FormatError, match=r"bad\.gz cannot be unpacked"):
            read_idx(tmp_path / "bad.gz")


@pytest.mark.parametrize("data, message", [
    (b"", "is cut short: an IDX file starts with 4 bytes, it has 0"),
    (b"<html>no such page</html>", "is not an IDX file: it starts with the bytes 3c 68 74 6d, expected 00 00"),
    (bytes.fromhex("00000a01 00000001 05"), "holds numbers of the unsupported type 0x0a; IDX has 0x08, 0x09, 0x0b"),
    (bytes.fromhex("00000800 05"), "states 0 dimensions; it must be 1 to 32"),
    (bytes.fromhex("00000821 00000001") * 80, "states 33 dimensions; it must be 1 to 32"),
    (bytes.fromhex("00000803 00000001 0000001c"), "is cut short: its head takes 16 bytes, it has 12"),
    (bytes.fromhex("00000801 00000003 0102"), r"is cut short: its dimensions \(3,\) take 11 bytes, it has 10"),
    (bytes.fromhex("00000801 00000003 01020304"), r"is too long: its dimensions \(3,\) take 11 bytes, it has 12"),
    (bytes.fromhex("00000804 ffffffff ffffffff ffffffff ffffffff"), "is cut short: its dimensions"),
    (bytes.fromhex("00000804 00000000 ffffffff ffffffff ffffffff"), "states the dimensions"),
    (gzip.compress(b"") + b"garbage", "cannot be unpacked"),
], ids=["empty", "html", "type", "no dimensions", "33 dimensions", "head", "short", "long", "huge", "huge and 0", "garbage"])
def test_damaged_idx_files_are_refused(tmp_path, data, message):
    path = tmp_path / "bad.idx"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=rf"{tmp_path}/bad\.idx {message}"):
        read_idx(path)


def test_a_missing_file_is_no_format_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none") as caught:
        read_idx(tmp_path / "none")
    assert not isinstance(caught.value, FormatError)


# --- finding files

@pytest.fixture
def internet(monkeypatch, tmp_path):
    """A cache in tmp_path, no EVENTSNN_DATA, and an internet that answers with `answer` or, after it, raises `error`."""
    class Internet:
        answer, error, calls = b"", None, 0

    def download(self, url, output_file, store, check_only=False):
        Internet.calls += 1
        Path(output_file).write_bytes(Internet.answer)
        if Internet.error:
            raise Internet.error

    monkeypatch.delenv("EVENTSNN_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    return Internet


def left_over(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("level", [1, 9])
def test_a_download_is_checked_unpacked_and_cached(internet, tmp_path, level):
    internet.answer = gzip.compress(b"numbers" * 99, level)
    paths = [locate(*PLACE, hashlib.sha256(b"numbers" * 99).hexdigest()) for _ in range(2)]
    assert paths[0] == paths[1] == tmp_path / "cache" / "eventsnn" / "toy" / "toy.gz"
    assert content(paths[0]) == b"numbers" * 99 and internet.calls == 1 and left_over(tmp_path) == [paths[0]]


@pytest.mark.parametrize("answer, error, message", [
    (b"", requests.ConnectionError("no route"), "no route"),
    (b"half of it", requests.exceptions.ChunkedEncodingError("connection broken"), "connection broken"),
    (b"", requests.HTTPError("404 Not Found"), "404 Not Found"),
    (b"", PermissionError("read-only"), "read-only"),
    (b"<html>log in first</html>", None, "the SHA-256 sum of what arrived is [0-9a-f]{64}, expected " + 64 * "0"),
    (gzip.compress(b"numbers" * 99)[:-9], None, "cannot be unpacked, it may be cut short"),
], ids=["offline", "broken off", "gone", "read-only", "login page", "cut short"])
@pytest.mark.parametrize("root", [None, "data"])
def test_a_failed_download_says_what_to_do_and_leaves_nothing(internet, tmp_path, monkeypatch, root, answer, error, message):
    where = "EVENTSNN_DATA is not set"
    if root:
        monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path / root))
        where = f"there is no file {tmp_path}/data/toy/toy.gz"
    internet.answer, internet.error = answer, error
    with pytest.raises(FormatError, match=f"toy/toy.gz was not found: {where}, .* {PLACE[2]}: .*{message}.*Connect to the "
                                          "internet, or .*a folder named toy, .*EVENTSNN_DATA"):
        locate(*PLACE, 64 * "0")
    assert internet.calls == 1 and left_over(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_reported(internet, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    with pytest.raises(FormatError, match="toy/toy.gz was not found.*EVENTSNN_DATA"):
        locate(*PLACE, 64 * "0")


def test_a_local_file_is_taken_as_it_is(internet, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.gz").write_bytes(b"mine")
    assert locate(*PLACE, 64 * "0") == tmp_path / "toy" / "toy.gz" and internet.calls == 0


# --- whole data sets

@pytest.fixture
def toy(internet, tmp_path, monkeypatch):
    """Four files of a small set as the folder EVENTSNN_DATA/mnist, which is returned."""
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    monkeypatch.setattr(module, "COUNTS", {"train": 7, "test": 3})
    (tmp_path / "mnist").mkdir()
    for split, n in module.COUNTS.items():
        for name, array in zip(NAMES[split], (draw(n, seed=n), np.arange(n, dtype=np.uint8))):
            (tmp_path / "mnist" / name).write_bytes(gzip.compress(idx_bytes(array), 1))
    return tmp_path / "mnist"


def test_the_four_files_make_a_set(toy):
    data = mnist()
    assert list(data) == ["train", "test"] and data["train"][1].tolist() == list(range(7))
    assert np.array_equal(data["train"][0], draw(7, seed=7)) and np.array_equal(data["test"][0], draw(3, seed=3))
    assert data["test"][0].dtype == np.uint8 and data["test"][1].dtype == np.int64


@pytest.mark.parametrize("name, array, message", [
    ("train-labels-idx1-ubyte.gz", np.zeros(6, np.uint8), r"holds uint8 \(6,\), expected uint8 \(7,\)"),
    ("t10k-labels-idx1-ubyte.gz", np.array([0, 10, 1], np.uint8), "holds the label 10; labels are 0 to 9"),
    ("t10k-images-idx3-ubyte.gz", draw(4), r"holds uint8 \(4, 28, 28\), expected uint8 \(3, 28, 28\)"),
    ("train-images-idx3-ubyte.gz", draw(7, 16), r"holds uint8 \(7, 16, 16\), expected uint8 \(7, 28, 28\)"),
    ("train-images-idx3-ubyte.gz", np.zeros(7, np.uint8), r"holds uint8 \(7,\), expected"),
], ids=["6 labels", "label 10", "4 images", "16 x 16", "labels for images"])
def test_files_of_another_set_are_refused(toy, name, array, message):
    (toy / name).write_bytes(gzip.compress(idx_bytes(array)))
    with pytest.raises(FormatError, match=f"{toy / name} .*{message}"):
        mnist()


@pytest.mark.parametrize("name", sorted(SHA256["mnist"]))
def test_every_file_of_a_set_is_checked(toy, name):
    whole = (toy / name).read_bytes()
    (toy / name).write_bytes(whole[:len(whole) // 2])
    with pytest.raises(FormatError, match=f"{name} cannot be unpacked"):
        mnist()


@pytest.mark.parametrize("load, folder", [(mnist, "mnist"), (fashion_mnist, "fashion_mnist")])
def test_without_data_the_error_says_what_to_do(internet, load, folder):
    internet.error = requests.ConnectionError("no route")
    with pytest.raises(FormatError, match=f"{folder}/train-images.* from {URL[folder]}train-images-idx3-ubyte.gz: no route"):
        load()


def test_the_end_of_the_training_file_is_held_out(toy):
    data = mnist()
    parts = splits(data, validation=2)
    assert {name: labels.tolist() for name, (_, labels) in parts.items()} == {
        "train": [0, 1, 2, 3, 4], "validation": [5, 6], "test": [0, 1, 2]}
    assert np.array_equal(parts["validation"][0], data["train"][0][5:])
    assert np.shares_memory(parts["train"][0], data["train"][0])
    assert splits(data, 0)["validation"][1].size == 0
    for wrong in (-1, 7, 1.5, 10_000, float("nan")):
        with pytest.raises(ParameterError, match=r"validation must be a whole number in \[0, 7\)"):
            splits(data, wrong)


# --- the crop and the encodings

def special(size=28):
    """Images at the edges of rounding: black, white, stripes, checkers, single white pixels."""
    y, x = np.mgrid[:size, :size]
    single = np.zeros((size * size, size, size), bool)
    single.reshape(size * size, -1)[np.arange(size * size), np.arange(size * size)] = True
    patterns = [y < 0, y >= 0, x % 2 == 0, y % 2 == 0, (x + y) % 2 == 0, x % 3 == 1, x > y]
    return np.concatenate([patterns, single]) * np.uint8(255)


def by_pillow(images):
    image = pytest.importorskip("PIL.Image")
    return np.stack([np.asarray(image.fromarray(one).crop((2, 2, 26, 26)).resize((16, 16), image.Resampling.BILINEAR))
                     for one in images])


@pytest.mark.parametrize("images", [draw(3000), special(), (draw(3000, seed=2) > 127) * np.uint8(255)],
                         ids=["noise", "special", "black and white"])
def test_the_crop_equals_pillow_bit_for_bit(images):
    assert np.array_equal(crop_16(images), by_pillow(images))


def test_the_crop_is_a_triangle_filter():
    """Output pixel k lies at 1.5 k + 0.25 of the input's pixels and sees those less than 1.5 away, the nearer the more."""
    weight = np.maximum(1.0 - np.abs(1.5 * np.arange(16)[:, None] + 0.25 - np.arange(24)) / 1.5, 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    images = draw(50)
    exact = weight @ images[:, 2:26, 2:26].astype(float) @ weight.T
    found = crop_16(images)
    assert found.shape == (50, 16, 16) and found.dtype == np.uint8
    assert np.abs(found - exact).max() < 1.0 + 1e-9 and abs((found - exact).mean()) < 0.05  # rounded twice, halves up


def test_the_crop_ignores_the_edge_and_keeps_constants():
    images = draw(1)
    other = np.full_like(images, 99)
    other[:, 2:26, 2:26] = images[:, 2:26, 2:26]
    assert np.array_equal(crop_16(images), crop_16(other))
    levels = np.arange(256, dtype=np.uint8)[:, None, None]
    assert np.array_equal(crop_16(np.broadcast_to(levels, (256, 28, 28))), np.broadcast_to(levels, (256, 16, 16)))
    turned = crop_16(images.swapaxes(1, 2)).swapaxes(1, 2).astype(int)
    assert np.abs(turned - crop_16(images)).max() <= 1
    assert crop_16(images[:0]).shape == (0, 16, 16)


def test_blocks_do_not_matter(monkeypatch):
    images = draw(10)
    whole = crop_16(images)
    monkeypatch.setattr(module, "BLOCK", 3)
    assert np.array_equal(crop_16(images), whole)


def test_bright_pixels_spike_early():
    images = draw(4)
    times = latency_28(images)
    assert times.shape == (4, 784) and times.dtype == np.float64
    assert np.array_equal(times, 0.15 + (1.0 - images.reshape(4, 784) / 256) * (2.0 - 0.15))
    pair = np.zeros((1, 28, 28), np.uint8)
    pair[0, 1, 2] = 255
    times = latency_28(pair)[0]
    assert times[1 * 28 + 2] == pytest.approx(0.15 + 1.85 / 256, rel=1e-15) and np.all(np.delete(times, 30) == 2.0)


def test_exactly_black_pixels_of_small_images_are_silent():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    times = latency_16(images)[0]
    assert times.shape == (256,) and times[0] == np.inf and times[255] == 0.15
    assert np.array_equal(times[1:], 0.15 + (1.0 - np.arange(1, 256) / 255) * (2.0 - 0.15))
    assert times[1] < 2.0 and np.all(np.diff(times[1:]) < 0.0)


@pytest.mark.parametrize("function, size", [(crop_16, 28), (latency_28, 28), (latency_16, 16)])
def test_other_shapes_and_types_are_refused(function, size):
    for wrong in (draw(2, size)[0], draw(2, size + 1), draw(2, size) / 255, draw(2, size).astype(np.int64), [], 3):
        with pytest.raises(ParameterError, match=rf"images must be uint8 \[n, {size}, {size}\], got"):
            function(wrong)
    assert function(np.zeros((0, size, size), np.uint8)).shape[0] == 0


def test_the_examples_hold():
    assert doctest.testmod(module).failed == 0


# --- the real data

@pytest.mark.parametrize("load, train, test, mean, per_label", [
    pytest.param(mnist, [5, 0, 4, 1, 9], [7, 2, 1, 0, 4], 33.318421449829934,
                 [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], marks=needs("mnist"), id="mnist"),
    pytest.param(fashion_mnist, [9, 0, 0, 3, 0], [9, 2, 1, 1, 6], 72.94035223214286, [6000] * 10,
                 marks=needs("fashion_mnist"), id="fashion"),
])
def test_the_real_sets(load, train, test, mean, per_label):
    data = load()
    assert data["train"][0].shape == (60_000, 28, 28) and data["test"][0].shape == (10_000, 28, 28)
    assert data["train"][1][:5].tolist() == train and data["test"][1][:5].tolist() == test
    assert np.bincount(data["train"][1]).tolist() == per_label
    assert data["train"][0].mean() == pytest.approx(mean, rel=1e-12)
    parts = splits(data)
    assert [parts[name][1].size for name in ("train", "validation", "test")] == [50_000, 10_000, 10_000]
    assert np.array_equal(parts["validation"][1], data["train"][1][50_000:])


@pytest.mark.parametrize("folder, name", [pytest.param(folder, name, marks=needs(folder))
                                          for folder, sums in SHA256.items() for name in sums])
def test_the_sums_are_those_of_the_real_files(folder, name):
    assert hashlib.sha256(content(DATA / folder / name)).hexdigest() == SHA256[folder][name]


@needs("mnist")
def test_real_digits_crop_and_encode():
    images = mnist()["test"][0]
    small = crop_16(images)
    assert np.array_equal(small[::5], by_pillow(images[::5]))
    times = latency_28(images)
    assert times.min() == 0.15 + (1.0 - 255 / 256) * 1.85 and times.max() == 2.0
    assert np.mean(times == 2.0) == np.mean(images == 0) == pytest.approx(0.808, abs=2e-3)
    short = latency_16(small)
    assert short.min() == 0.15 and np.array_equal(np.isinf(short), small.reshape(-1, 256) == 0)
    assert short[np.isfinite(short)].max() < 2.0
