"""The settings of a first-spike training run."""

from dataclasses import dataclass

from ..data.yin_yang import BIAS_TIME
from ..errors import ParameterError, unknown_name
from .checks import finite, whole, words
from .distortion import Distortion
from .first_spike.network import KINDS
from .losses import LOSSES
from .optimisers import OPTIMISERS


@dataclass(frozen=True)
class Config:
    """The training recipe (Goeltz et al. 2021, Yin-Yang column of the published settings); times in tau_syn.

    `hidden` sizes of the hidden layers; `init_mean, init_std, silent_limits, bias_times` one entry per layer (a bias
    time of None means no bias). `schedule` "step" lets `rate` fall by `rate_factor` every `rate_every` epochs, "cosine"
    along half a cosine to a hundredth. `optimiser` is "adam" (AdamW with `weight_decay`) or "sgd". `input_noise` is the
    spread of a normal jitter of every input spike in training; times that would be negative are reflected at 0. `warp` are the
    spreads (affine, shift, elastic) of random distortions of square images in training (`learn.warp`). Training stops early
    after `patience` epochs (0: never) without a better network on the validation data. `loss` is
    "cross_entropy" (shaped by `xi, alpha, beta`), "mean_square" (to `target`, and `gap` later for the wrong classes) or
    "shifted_mean_square" (wrong classes `gap` after the correct one); `max_gradient` guards against V' -> 0: where one
    sample's |dL/dw| (after the mean over the batch) exceeds it, that sample does not count for that neuron.

    Learned delays (DelGrad, Goeltz et al. 2025): `delays` holds for every layer None, "axonal", "dendritic" or "synaptic". A
    delay is delay_scale / (1 + exp(-p)); p begins normal with spread `delay_std` and moves at `delay_rate` (same schedule).

    `distortion`, if given, is the substrate that the network is trained, validated and tested on (`learn.distortion`).

    Silent neurons: the first layer whose share of missing spikes in a batch exceeds its limit gets `bump`, doubled
    each time the same layer is next again, added to all weights into its neurons that missed a spike. `bump_step`
    "also" takes the gradient step as well, "instead" does not (the publication's rule). Most batches contain some
    missing spike, so "instead" throws away about three gradients in four; on the validation set of Yin-Yang "also" wins
    by 2.7 points after 60 epochs (three seeds).

    Raises `ParameterError` with the name, the value and the allowed range.

    >>> Config.preset("quick", seed=3).seed
    3
    """

    hidden: tuple = (120,)
    tau_ratio: float = 1.0
    theta: float = 1.0
    bias_times: tuple = (BIAS_TIME, BIAS_TIME)
    init_mean: tuple = (1.5, 0.5)
    init_std: tuple = (0.8, 0.8)
    epochs: int = 60
    batch: int = 150
    rate: float = 0.005
    rate_factor: float = 0.95
    rate_every: int = 20
    schedule: str = "step"
    optimiser: str = "adam"
    weight_decay: float = 0.0
    input_noise: float = 0.0
    warp: tuple = (0.0, 0.0, 0.0)
    patience: int = 0
    delays: tuple | None = None
    delay_rate: float = 0.003
    delay_std: float = 0.25
    delay_scale: float = 1.0
    loss: str = "cross_entropy"
    target: float = 0.9
    gap: float = 0.2
    xi: float = 0.2
    alpha: float = 0.005
    beta: float = 1.0
    silent_limits: tuple = (0.3, 0.0)
    bump: float = 5e-4
    bump_step: str = "also"
    max_gradient: float = 0.2
    distortion: Distortion | None = None
    seed: int = 0
    threads: int = 1
    checkpoint_every: int = 10

    def __post_init__(self):
        layers = len(self.hidden) + 1
        for name in ("bias_times", "init_mean", "init_std", "silent_limits"):
            if len(getattr(self, name)) != layers:
                raise ParameterError(f"{name} must have {layers} entries, one per layer, got {getattr(self, name)!r}")
        whole(self, "epochs", "batch", "rate_every", "threads", "checkpoint_every", "hidden")
        whole(self, "seed", "patience", least=0)
        if self.delays is not None and (len(self.delays) != layers or any(kind not in KINDS for kind in self.delays)):
            raise ParameterError(f"delays must be None or have {layers} entries, each one of "
                                 f"{', '.join(map(repr, KINDS))}, got {self.delays!r}")
        finite(self, "theta", "rate", "rate_factor", "xi", "beta", "max_gradient", "delay_rate", "delay_scale", "tau_ratio",
               above=0.0)
        finite(self, "alpha", "bump", "weight_decay", "input_noise", "delay_std", "gap", "target", "init_std", "warp",
               least=0.0)
        finite(self, "silent_limits", least=0.0, most=1.0)
        if len(self.warp) != 3:
            raise ParameterError(f"warp must be (affine, shift, elastic), got {self.warp!r}")
        words(self, bump_step=("also", "instead"), loss=LOSSES, schedule=("step", "cosine"), optimiser=OPTIMISERS)

    @classmethod
    def from_dict(cls, values):
        """The recipe that `dataclasses.asdict` turned into the dict `values`, perhaps by way of JSON.

        >>> from dataclasses import asdict
        >>> Config.from_dict(asdict(Config(seed=4))) == Config(seed=4)
        True
        """
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if values.get("distortion") is not None:
            values["distortion"] = Distortion(**values["distortion"])
        return cls(**values)

    @classmethod
    def preset(cls, name, **changes):
        """The recipe `name`: "quick" (60 epochs, seconds) or "paper" (300 epochs), with some fields changed.

        Raises `UnknownNameError` for another name and `ParameterError` for bad values.
        """
        if name not in PRESETS:
            raise unknown_name("preset", name, PRESETS)
        return cls(**(PRESETS[name] | changes))


PRESETS = {"quick": {"epochs": 60}, "paper": {"epochs": 300}}
