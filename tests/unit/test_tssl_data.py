"""Data of TSSL-BP: CIFAR-10's files, recordings in bins, the saccades of N-MNIST."""

import tarfile

import numpy as np
import pytest

from eventsnn.data import cifar10 as module
from eventsnn.data.cifar10 import cifar10
from eventsnn.data.events import Events
from eventsnn.errors import FormatError, InputError, ParameterError
from eventsnn.learn.tssl_bp.inputs import Recordings, saccades
from eventsnn.learn.tssl_bp.recipes import data_of


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Four pictures per file, in the folder cifar10; returns (folder, images [24, 3, 32, 32], labels)."""
    monkeypatch.setattr(module, "COUNT", 4)
    monkeypatch.setenv("EVENTSNN_DATA", str(tmp_path))
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (24, 3, 32, 32)).astype(np.uint8), draw.integers(0, 10, 24)
    folder = tmp_path / "cifar10"
    folder.mkdir()
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    for k, name in enumerate(names):
        records = [bytes([labels[i]]) + images[i].tobytes() for i in range(4 * k, 4 * k + 4)]
        (folder / name).write_bytes(b"".join(records))
    return folder, images, labels


def test_cifar10_is_read_from_files_and_from_the_archive(pictures):
    folder, images, labels = pictures
    for _ in range(2):
        data = cifar10()
        assert np.array_equal(data["train"][0], images[:20].transpose(0, 2, 3, 1))
        assert np.array_equal(data["test"][1], labels[20:])
        if (folder / "test_batch.bin").exists():
            with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
                for file in sorted(folder.glob("*.bin")):
                    archive.add(file, f"cifar-10-batches-bin/{file.name}")
                    file.unlink()
    samples = data_of("cifar10", validation=5)
    assert [len(samples[name]) for name in ("train", "validation", "test")] == [15, 5, 4]
    first = samples["test"].inputs(np.array([0]), 0, False).reshape(32, 32, 3)
    assert np.allclose(first[3, 4, 2], (images[20, 2, 3, 4] / 255.0 - 0.4465) / 0.2010)
    archive = folder / "cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(FormatError, match="cut short"):
        cifar10()


def test_damaged_pictures_are_refused(pictures, monkeypatch):
    folder, *_ = pictures
    file = folder / "data_batch_2.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(FormatError, match="data_batch_2.bin has 12291 bytes"):
        cifar10()
    file.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(FormatError, match="label 10"):
        cifar10()
    file.unlink()
    with pytest.raises(FormatError, match="was not found"):
        cifar10()
    monkeypatch.delenv("EVENTSNN_DATA")
    with pytest.raises(FormatError, match="EVENTSNN_DATA is not set"):
        cifar10()


def test_recordings_are_binned_at_most_one_spike_each():
    draw = np.random.default_rng(1)
    films = []
    for n in (200, 0, 50):
        films.append(Events(np.sort(draw.uniform(0.0, 0.03, n)), draw.integers(0, 5, n), draw.integers(0, 5, n),
                            draw.integers(0, 2, n)))
    found = Recordings(films, [0, 1, 2], size=5, steps=8).inputs(np.array([2, 0, 1]), 0, False)
    for row, events in zip(found, (films[2], films[0], films[1])):
        expected = np.zeros((8, 5, 5, 2), np.uint8)
        for t, x, y, p in zip(events.t, events.x, events.y, events.p):
            if t < 0.024:
                expected[int(t // 3e-3), y, x, p] = 1
        assert np.array_equal(row, expected.reshape(8, 50))


def test_recordings_are_moved_in_training_and_nothing_wraps_around():
    draw = np.random.default_rng(0)
    films = [Events(np.sort(draw.uniform(0.0, 0.03, 60)), draw.integers(0, 6, 60), draw.integers(0, 6, 60),
                    draw.integers(0, 2, 60)) for _ in range(20)]
    still = Recordings(films, np.zeros(20, int), size=6, steps=10)
    moving = Recordings(films, np.zeros(20, int), size=6, steps=10, shift=2, seed=4)
    every, seen = np.arange(20), set()
    before = still.inputs(every, 0, True).reshape(20, 10, 6, 6, 2)
    assert np.array_equal(moving.inputs(every, 3, False).reshape(before.shape), before)
    after = moving.inputs(every, 3, True).reshape(before.shape)
    for a, b in zip(before, after):
        framed = np.pad(a, ((0, 0), (2, 2), (2, 2), (0, 0)))
        places = [(i, j) for i in range(5) for j in range(5) if np.array_equal(framed[:, i:i + 6, j:j + 6], b)]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 8
    assert np.array_equal(moving.inputs(every, 3, True), after.reshape(20, 10, -1))
    assert not np.array_equal(moving.inputs(every, 4, True), after.reshape(20, 10, -1))
    with pytest.raises(ParameterError, match="shift must be a whole number of pixels from 0 to 5, got 6"):
        Recordings(films, np.zeros(20, int), size=6, steps=10, shift=6)


def test_the_saccades_are_a_closed_triangle():
    t = np.linspace(0.0, 0.315, 64)
    x, y = saccades(t)
    assert x[0] == y[0] == 0.0 and abs(x[-1]) < 1e-12 and abs(y[-1]) < 1e-12
    for k, time in enumerate(t):  # as the distributors' script has it, time in us
        us = time * 1e6
        if us <= 105e3:
            dx, dy = -3.5 * us / 105e3, -7.0 * us / 105e3
        elif us <= 210e3:
            dx, dy = -3.5 - 3.5 * (us - 105e3) / 105e3, -7.0 + 7.0 * (us - 105e3) / 105e3
        else:
            dx, dy = -7.0 + 7.0 * (us - 210e3) / 105e3, 0.0
        assert x[k] == pytest.approx(dx, abs=1e-9) and y[k] == pytest.approx(dy, abs=1e-9)


def test_bad_recordings_are_named():
    film = Events([0.0], [7], [0], [1])
    with pytest.raises(InputError):
        Recordings([film], [0], size=5, steps=3)
    with pytest.raises(ParameterError, match="bin"):
        Recordings([film], [0], size=8, steps=3, bin=0.0)
    with pytest.raises(InputError, match="labels must be 1"):
        Recordings([film], [0, 1], size=8, steps=3)


def test_the_small_selection_stands_in_for_n_mnist():
    try:
        data = data_of("nmnist", ("test",), steps=30)["test"]
    except FormatError as error:
        pytest.skip(str(error))
    spikes = data.inputs(np.arange(5), 0, False)
    assert spikes.shape == (5, 30, 34 * 34 * 2) and spikes.max() == 1
    assert 200 < spikes.sum() / 5 < 5000
