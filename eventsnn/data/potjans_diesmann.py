"""The cortical microcircuit of Potjans and Diesmann (2014): its published numbers, and how they change with scale.

Sources: Cereb. Cortex 24:785-806, doi 10.1093/cercor/bhs358; scaling: van Albada, Helias and Diesmann (2015), PLoS
Comput. Biol. 11:e1004490. Matrices are [target, source] in the order of the populations.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from ..errors import ParameterError

DRIVES = ("dc", "poisson")


@cache
def facts():
    """The published numbers as the dict of potjans_diesmann.toml; units are in the names.

    >>> sum(facts()["neurons"])
    77169
    """
    return tomllib.loads(resources.files(__package__).joinpath("potjans_diesmann.toml").read_text(encoding="utf-8"))


def synapse_counts():
    """Synapses of every projection at full scale, int64 [target, source]: K = ln(1 - p) / ln(1 - 1/(N_pre N_post)).

    >>> int(synapse_counts().sum())
    298880968
    """
    size, p = np.array(facts()["neurons"], np.float64), np.array(facts()["probability"])
    # log and not log1p: the reference implementation computes it so, and two counts differ by one
    return np.rint(np.log(1.0 - p) / np.log(1.0 - 1.0 / (size[:, None] * size))).astype(np.int64)


def drive_of_psp(psp):
    """The jump of the synaptic drive, in the unit of `psp` (mV), whose postsynaptic potential peaks at `psp`.

    The drive is the current times tau_mem / capacitance; 0.15 mV takes 3.51 mV of drive, which is 87.8 pA.

    >>> round(float(drive_of_psp(0.15)), 4)
    3.5123
    """
    slow, fast = facts()["neuron"]["tau_mem_ms"], facts()["neuron"]["tau_syn_ms"]
    peak = slow * fast * np.log(slow / fast) / (slow - fast)  # ms after the arrival
    return psp * (slow - fast) / (fast * (np.exp(-peak / slow) - np.exp(-peak / fast)))


@dataclass(frozen=True)
class Circuit:
    """The circuit at one scale; weights and drives in mV (current times tau_mem / capacitance), rates in Hz.

    neurons : [8]; synapses : [target, source]; weight : mean weights [target, source]; weight_ext : of a background
    spike; rate_ext : background spikes per neuron and second [8], zeros for a direct current; i_offset : constant
    drive [8], which holds the direct current and what makes up for synapses left out.
    """

    populations: tuple
    neurons: np.ndarray
    synapses: np.ndarray
    weight: np.ndarray
    weight_ext: float
    rate_ext: np.ndarray
    i_offset: np.ndarray


def circuit(scale=1.0, k_scale=None, drive="poisson"):
    """The `Circuit` with the fraction `scale` of the neurons and `k_scale` (default: `scale`) of the synapses of each.

    Fewer synapses are made 1 / sqrt(k_scale) as strong, which keeps the variance of the input, and a constant drive
    supplies the mean that is then missing at the published rates. `drive` is "dc" (constant) or "poisson" background.
    Raises `ParameterError` for fractions outside (0, 1] and other drives.

    >>> int(circuit(0.1).neurons.sum()), int(circuit(0.1).synapses.sum())
    (7717, 2988807)
    """
    k_scale = scale if k_scale is None else k_scale
    for name, value in (("scale", scale), ("k_scale", k_scale)):
        if not 0.0 < value <= 1.0:
            raise ParameterError(f"{name} of the microcircuit is {value!r}; it must be > 0 and <= 1")
    if drive not in DRIVES:
        raise ParameterError(f"drive of the microcircuit is {drive!r}; it must be one of {', '.join(DRIVES)}")
    known, synapse, background = facts(), facts()["synapse"], facts()["background"]
    size, full = np.array(known["neurons"]), synapse_counts()
    names = known["populations"]
    psp = np.full(full.shape, synapse["psp_mV"])
    psp[names.index("L23E"), names.index("L4E")] = synapse["psp_L4E_to_L23E_mV"]
    psp[:, [name.endswith("I") for name in names]] = synapse["psp_mV"] * synapse["g_inh"]
    weight, weight_ext = drive_of_psp(psp), float(drive_of_psp(synapse["psp_mV"]))
    tau_syn = 1e-3 * known["neuron"]["tau_syn_ms"]
    rate_ext = np.array(background["inputs"]) * background["rate_hz"]
    recurrent = (full / size[:, None] * weight) @ np.array(known["rate_hz"])  # mV/s
    missing = 1.0 - np.sqrt(k_scale)
    if drive == "dc":
        i_offset, arriving = tau_syn * (rate_ext * weight_ext + missing * recurrent), np.zeros(len(names))
    else:
        i_offset, arriving = tau_syn * missing * (recurrent + rate_ext * weight_ext), rate_ext * k_scale
    return Circuit(
        populations=tuple(names),
        neurons=np.maximum(np.rint(size * scale).astype(np.int64), 1),
        synapses=np.rint(full * scale * k_scale).astype(np.int64),
        weight=weight / np.sqrt(k_scale),
        weight_ext=weight_ext / float(np.sqrt(k_scale)),
        rate_ext=arriving,
        i_offset=i_offset,
    )
