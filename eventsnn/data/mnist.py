"""MNIST and Fashion-MNIST, and how Goeltz et al. (2021) turn their images into spike times.

Sources: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; Xiao, Rasul and Vollgraf (2017),
"Fashion-MNIST"; Goeltz et al. (2021), Nat. Mach. Intell. 3:823-835. Spike times are in units of tau_syn.
"""

from functools import cache

import numpy as np

from ..errors import FormatError, ParameterError
from .files import locate
from .idx import read_idx
from .yin_yang import to_spike_times

COUNTS = {"train": 60_000, "test": 10_000}
NAMES = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
         "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")}
SIZE, CROP, SMALL = 28, 24, 16  # pixels on a side
URL = {"mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
       "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"}
SHA256 = {  # of the files as unpacked
    "mnist": {
        "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
ONE = 1 << (32 - 8 - 2)  # the weight 1 in Pillow's fixed-point arithmetic for 8-bit images
BLOCK = 2000  # images resampled at once


def mnist():
    """The digits: dict "train" (60,000), "test" (10,000) -> (images uint8 [n, 28, 28], labels int64 [n], 0 to 9).

    The four files are taken from the folder mnist in the folder EVENTSNN_DATA, else fetched once (12 MB) and cached.
    0 is black, the background. Raises `FormatError` if a file is damaged, of another data set, or not to be had.

    >>> mnist()["train"][1][:5]     # doctest: +SKIP
    array([5, 0, 4, 1, 9])
    """
    return _load("mnist")


def fashion_mnist():
    """The pictures of clothes, in the form of `mnist()`; folder fashion_mnist, 31 MB. Raises as `mnist` does.

    >>> fashion_mnist()["test"][0].shape     # doctest: +SKIP
    (10000, 28, 28)
    """
    return _load("fashion_mnist")


def splits(data, validation=10_000):
    """Split `data` of `mnist()`: dict "train", "validation", "test" -> (images, labels), views of the same arrays.

    The last `validation` images of the training file are held out, so train is the first 50,000 by default. Raises
    `ParameterError` unless 0 <= validation < number of training images.

    >>> {name: labels.size for name, (images, labels) in splits(mnist()).items()}     # doctest: +SKIP
    {'train': 50000, 'validation': 10000, 'test': 10000}
    """
    images, labels = data["train"]
    if not 0 <= validation < len(labels) or int(validation) != validation:
        raise ParameterError(f"validation must be a whole number in [0, {len(labels)}), got {validation!r}")
    n = len(labels) - int(validation)
    return {"train": (images[:n], labels[:n]), "validation": (images[n:], labels[n:]), "test": data["test"]}


def crop_16(images):
    """Crop `images` uint8 [n, 28, 28] to their central 24 x 24 and resize those to 16 x 16: uint8 [n, 16, 16].

    Equals, bit for bit, CenterCrop(24) and Resize(16) of torchvision on Pillow images: bilinear with antialiasing.
    Raises `ParameterError` for arrays of another shape or type.

    >>> crop_16(np.full((1, 28, 28), 7, np.uint8))[0, 0, :3]
    array([7, 7, 7], dtype=uint8)
    """
    images = _checked(images, SIZE)
    edge = (SIZE - CROP) // 2
    small = np.empty((len(images), SMALL, SMALL), np.uint8)
    for start in range(0, len(images), BLOCK):
        rows = images[start:start + BLOCK, edge:edge + CROP, edge:edge + CROP]
        columns = _resample(rows).swapaxes(1, 2)
        small[start:start + BLOCK] = _resample(columns).swapaxes(1, 2)
    return small


def latency_28(images, silent_black=False):
    """Spike times float64 [n, 784] of `images` uint8 [n, 28, 28], row by row: 0.15 + (1 - p) * 1.85 with p = value / 256.

    Bright pixels spike early, black ones at 2.0; with `silent_black` exactly black pixels do not spike: inf.
    Raises `ParameterError` for arrays of another shape or type.

    >>> latency_28(np.zeros((1, 28, 28), np.uint8))[0, :2]
    array([2., 2.])
    """
    images = _checked(images, SIZE)
    times = to_spike_times(1.0 - np.arange(256) / 256)
    if silent_black:
        times[0] = np.inf
    return times[images.reshape(len(images), SIZE * SIZE)]


def latency_16(images):
    """Spike times float64 [n, 256] of `images` uint8 [n, 16, 16], as `latency_28` but with p = value / 255.

    Exactly black pixels do not spike: inf. Raises `ParameterError` for arrays of another shape or type.

    >>> latency_16(np.eye(16, dtype=np.uint8)[None] * 255)[0, :2]
    array([0.15,  inf])
    """
    images = _checked(images, SMALL)
    times = to_spike_times(1.0 - np.arange(256) / 255)
    times[0] = np.inf
    return times[images.reshape(len(images), SMALL * SMALL)]


def _load(folder):
    data = {}
    for split, names in NAMES.items():
        image_path, label_path = (locate(folder, name, URL[folder] + name, SHA256[folder][name]) for name in names)
        images, labels = read_idx(image_path), read_idx(label_path)
        _expect(images, (COUNTS[split], SIZE, SIZE), image_path)
        _expect(labels, (COUNTS[split],), label_path)
        if labels.max() > 9:
            raise FormatError(f"{label_path} holds the label {labels.max()}; labels are 0 to 9")
        data[split] = images, labels.astype(np.int64)
    return data


def _expect(array, shape, path):
    if array.dtype != np.uint8 or array.shape != shape:
        raise FormatError(f"{path} is of another data set: it holds {array.dtype} {array.shape}, expected uint8 {shape}")


def _checked(images, size):
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (size, size):
        raise ParameterError(f"images must be uint8 [n, {size}, {size}], got {images.dtype} {images.shape}")
    return images


@cache
def _weights():
    """[CROP, SMALL] in units of 1 / ONE: Pillow's triangle filter, widened by the scale, rounded to whole numbers."""
    scale = CROP / SMALL
    weights = np.zeros((CROP, SMALL))
    for k in range(SMALL):
        center = (k + 0.5) * scale
        low, high = max(int(center - scale + 0.5), 0), min(int(center + scale + 0.5), CROP)
        triangle = [max(1.0 - abs((x - center + 0.5) * (1.0 / scale)), 0.0) for x in range(low, high)]
        weights[low:high, k] = [int(0.5 + value / sum(triangle) * ONE) for value in triangle]
    return weights


def _resample(lines):
    """uint8 [n, CROP, CROP] -> [n, CROP, SMALL] along the last axis.

    All numbers are whole and below 2**31, so doubles hold them exactly; the weights are not negative and add up to ONE
    but for a few units, so nothing has to be clipped.
    """
    sums = lines.astype(np.float64) @ _weights()
    return np.floor((sums + ONE // 2) / ONE).astype(np.uint8)
