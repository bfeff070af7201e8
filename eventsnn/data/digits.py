"""Small handwritten digits, shipped with the package (40 kB).

Source: E. Alpaydin and C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, doi
10.24432/C50P49, licence CC BY 4.0: the 1,797 images of its test part, the set that scikit-learn ships as `load_digits`.
"""

import zipfile
from pathlib import Path

import numpy as np

from ..errors import FormatError

FILE = Path(__file__).parent / "digits.npz"
TEST = 360  # images held out, drawn as scikit-learn's train_test_split(test_size=0.2, random_state=0) draws them


def digits(path=FILE):
    """Digits: dict "train" (1437), "test" (360) -> (images uint8 [n, 8, 8], 0 to 16, labels int64 [n], 0 to 9).

    Raises `FormatError` for a file that is damaged.

    >>> {name: labels.size for name, (images, labels) in digits().items()}
    {'train': 1437, 'test': 360}
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"].astype(np.int64)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FormatError(f"{Path(path).name} is damaged: {error}") from error
    good = images.shape == (len(labels), 8, 8) and images.dtype == np.uint8
    if not good or images.max() > 16 or not 0 <= labels.min() <= labels.max() <= 9:
        raise FormatError(f"{Path(path).name} is damaged: it must hold images [n, 8, 8] of 0 to 16 and n labels of 0 to 9")
    order = np.random.RandomState(0).permutation(len(labels))  # noqa: NPY002
    parts = {"train": order[TEST:], "test": order[:TEST]}
    return {name: (images[part], labels[part]) for name, part in parts.items()}
