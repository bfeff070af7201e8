"""Reader of the larval fly brain: every neuron and synapse of the brain of a Drosophila larva (2,952 neurons).

Source: supplementary data S1 of Winding et al. (2023), "The connectome of an insect brain", Science 379:eadd9330. The
data are not shipped, as their source states no licence: they are read from a folder of yours.
"""

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError, ParameterError, unknown_name
from .files import content

FOLDER = "connectome_larval_drosophila"
ARCHIVE = "Supplementary-Data-S1.zip"
TABLES = ("edges.csv.gz", "neurons.csv", "annotations.csv")
KINDS = ("aa", "ad", "da", "dd")  # axon or dendrite; the first letter is the sender's
UNKNOWN = "unannotated"
HEADS = {"annotations": b"left_id,right_id,celltype,additional_annotations,level_7_cluster",
         "neurons": b"id,celltype,side", "edges": b"pre,post,type,synapses"}
SHA256 = {  # of the plain text: edges.csv as unpacked
    "edges": "ca028313439aac29750676731314c8cd330b4590dccea5c7825510ce1ba1b54b",
    "neurons": "2eeb621a130cd70d69b4c7690bc40bfda11667b578387affdf4bb9dd5e4277e4",
    "annotations": "477250fc559684f0e898a12016f41221bfa320012e378ab7ae8c5125c7776f7e",
}


@dataclass(frozen=True)
class Connectome:
    """Neurons and synapses of a brain.

    ids : int64 [n], the names of the neurons in the published tables; cell_types : n strings, "unannotated" where the
    source has none; notes : n tuples of further annotations ("olfactory", ...). Row i of the synapse table:
    `synapses[i]` contacts of kind `kinds[i]` ("ad" from axon to dendrite, ...) from neuron `pre[i]` to `post[i]`, both
    0 to n - 1.
    """

    ids: np.ndarray
    cell_types: np.ndarray
    notes: tuple
    pre: np.ndarray
    post: np.ndarray
    kinds: np.ndarray
    synapses: np.ndarray

    @property
    def n(self):
        """Number of neurons."""
        return self.ids.size

    def pairs(self, kinds=KINDS):
        """(pre, post, contacts) of every connected pair, contacts of the `kinds` added up; sorted by pre, then post.

        Raises `ParameterError` for unknown kinds.

        >>> brain.pairs(("ad", "aa"))[2].sum()     # doctest: +SKIP
        325758
        """
        for kind in kinds:
            if kind not in KINDS:
                raise ParameterError(f"kind of synapse is {kind!r}; it must be one of {', '.join(KINDS)}")
        keep = np.isin(self.kinds, list(kinds))
        pair, index = np.unique(self.pre[keep] * self.n + self.post[keep], return_inverse=True)
        count = np.bincount(index, self.synapses[keep], pair.size).astype(np.int64)
        return pair // self.n, pair % self.n, count

    def select(self, word):
        """Neurons whose cell type is `word`, or which have it among their annotations: increasing numbers.

        Raises `UnknownNameError` if there are none.

        >>> brain.select("olfactory").size     # doctest: +SKIP
        42
        """
        found = [k for k, (kind, notes) in enumerate(zip(self.cell_types, self.notes)) if word == kind or word in notes]
        if not found:
            senses = {note for kind, notes in zip(self.cell_types, self.notes) if kind in ("sensory", "ascending")
                      for note in notes}
            raise unknown_name("cell type or annotation", word, sorted({*self.cell_types, *senses}))
        return np.array(found, np.int64)


def larval_brain(folder=None):
    """Read the `Connectome` from `folder`, by default connectome_larval_drosophila in the folder EVENTSNN_DATA.

    The folder holds either edges.csv.gz, neurons.csv and annotations.csv or the original Supplementary-Data-S1.zip,
    which takes some seconds longer. Raises `FormatError` if neither is there, or if their content is damaged or of
    another version: it is compared with the SHA-256 sums in this module.

    >>> larval_brain().n     # doctest: +SKIP
    2952
    """
    if folder is None:
        root = os.environ.get("EVENTSNN_DATA")
        folder = Path(root) / FOLDER if root else None
    if folder is None or not Path(folder).is_dir():
        where = f"there is no folder {folder}" if folder else "EVENTSNN_DATA is not set"
        raise FormatError(f"the larval connectome was not found: {where}. {_how_to()}")
    folder = Path(folder)
    if all((folder / name).is_file() for name in TABLES):
        edges, neurons, annotations = (content(folder / name) for name in TABLES)
        _check(neurons, "neurons", folder / TABLES[1])
        ids = [int(line.split(b",", 1)[0]) for line in neurons.splitlines()[1:]]
        source = folder / TABLES[0]
    elif (folder / ARCHIVE).is_file():
        source = folder / ARCHIVE
        ids, edges, annotations = _from_archive(source)
    else:
        raise FormatError(f"the larval connectome was not found in {folder}. {_how_to()}")
    _check(edges, "edges", source)
    _check(annotations, "annotations", source if source.name == ARCHIVE else folder / TABLES[2])
    return connectome(ids, edges, annotations)


def connectome(ids, edges, annotations):
    """The `Connectome` of the neurons `ids` from the bytes of edges.csv and annotations.csv.

    Raises `FormatError` for tables with other columns, entries that are no numbers, and unknown neurons.

    >>> head = HEADS["annotations"]
    >>> connectome([7, 9], HEADS["edges"] + b"\\n7,9,ad,3\\n", head + b"\\n7,9,PN,uPN; olfactory,0\\n").notes[0]
    ('uPN', 'olfactory')
    """
    order = {number: k for k, number in enumerate(ids)}
    try:
        rows = [line.split(",") for line in _lines(edges, "edges")]
        pre, post = ([order[int(row[k])] for row in rows] for k in (0, 1))
        kinds, count = [row[2] for row in rows], [int(row[3]) for row in rows]
        types, notes = [UNKNOWN] * len(ids), [()] * len(ids)
        for line in _lines(annotations, "annotations"):
            left, right, kind, text, _ = line.split(",")
            for side in (left, right):
                if side.isdigit() and int(side) in order:
                    types[order[int(side)]] = kind
                    notes[order[int(side)]] = tuple(dict.fromkeys(word.strip() for word in text.split(";")))
    except (ValueError, IndexError, KeyError) as error:
        raise FormatError(f"the tables of the connectome cannot be read: {error!r}") from error
    return Connectome(np.array(ids, np.int64), np.array(types), tuple(notes), np.array(pre, np.int64),
                      np.array(post, np.int64), np.array(kinds), np.array(count, np.int64))


def _lines(content, name):
    head, _, rest = content.partition(b"\n")
    if head.strip() != HEADS[name]:
        raise FormatError(f"{name} of the connectome must have the columns {HEADS[name].decode()}, got {head[:80]!r}")
    return rest.decode().splitlines()


def _from_archive(path):
    """(ids in the order of neurons.csv, content of edges.csv, content of annotations.csv) from the original archive."""
    rows, folder = [], path.stem
    try:
        with zipfile.ZipFile(path) as archive:
            annotations = archive.read(f"{folder}/annotations.csv")
            for kind in KINDS:
                with archive.open(f"{folder}/{kind}_connectivity_matrix.csv") as file:
                    names = [int(name) for name in file.readline().decode().strip().split(",")[1:]]
                    matrix = np.loadtxt(file, delimiter=",")[:, 1:]
                if matrix.shape != (len(names), len(names)):
                    raise ValueError(f"the {kind} matrix has shape {matrix.shape} and {len(names)} names")
                if kind == "ad":
                    ids = names
                rows += [(names[a], names[b], kind, int(matrix[a, b])) for a, b in np.argwhere(matrix).tolist()]
    except (OSError, EOFError, ValueError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} cannot be read, it may be cut short: {error}") from error
    lines = [HEADS["edges"].decode(), *(f"{a},{b},{kind},{count}" for a, b, kind, count in sorted(rows)), ""]
    return ids, "\n".join(lines).encode(), annotations


def _check(content, name, path):
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise FormatError(f"{path} is damaged or of another version: the SHA-256 sum of {name}.csv is {found}, expected "
                          f"{SHA256[name]}. {_how_to()}")


def _how_to():
    return (f"Get {ARCHIVE}, supplementary data S1 of Winding et al. 2023 (Science 379:eadd9330, doi "
            f"10.1126/science.add9330), put it into a folder named {FOLDER}, and let EVENTSNN_DATA name the folder that "
            f"holds that one. It is not fetched for you: its source states no licence, so check before you pass it on")
