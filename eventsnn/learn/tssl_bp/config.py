"""The settings of a TSSL-BP training run."""

from dataclasses import dataclass, fields

from ..checks import finite, whole, words
from ..shapes import stages
from .losses import LOSSES
from .network import Constants

SCHEDULES = ("constant", "cosine")
CONSTANTS = tuple(field.name for field in fields(Constants))


@dataclass(frozen=True)
class Config:
    """The training recipe; times in steps.

    layers : see `shapes.stages`; steps, tau_mem, tau_syn, width, bound, factor, quiet : see `network.Constants`
    loss : "kernel" or "count" (see `losses`), with `desired` spikes of the true class and `undesired` ones of the others
    batch, rate, epochs; schedule : "constant" or "cosine" (to a hundredth over all epochs)
    weight_decay : of AdamW; clip : the gradient, a sum over the batch, is cut to this norm; clamp : weights to +-this
    dropout : probability, of a row of a channel (convolutions) or a neuron (dense), for all steps of a sample, but for outputs
    spike_cost : what the loss rises by for every unit of the filtered trains of hidden neurons, of which a spike adds up to 1
    shift : in training images and recordings are moved by up to so many pixels; bin : a step of recordings, s
    conv_scale : factor of the initial weights of convolutions
    parts : a batch is cut into so many parts, whose gradients are added in order; results depend on it, and no more threads
        than parts are of use. They do not depend on `threads`. checkpoint_every : epochs

    Raises `ParameterError` for values out of range.

    >>> Config(layers=(100, 10), epochs=2).rate
    0.0005
    """

    layers: tuple = (400, 400, 10)
    steps: int = 5
    tau_mem: float = 5.0
    tau_syn: float = 3.0
    width: float = 0.2
    bound: float = 8.0
    factor: float = 1.0
    quiet: float = 0.25
    loss: str = "kernel"
    desired: float = 4.0
    undesired: float = 1.0
    batch: int = 50
    rate: float = 5e-4
    epochs: int = 20
    schedule: str = "constant"
    weight_decay: float = 0.01
    clip: float = 1.0
    clamp: float = 4.0
    dropout: float = 0.0
    spike_cost: float = 0.0
    shift: int = 0
    bin: float = 3e-3
    conv_scale: float = 1.0
    parts: int = 2
    seed: int = 0
    threads: int = 1
    checkpoint_every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        _ = self.constants
        words(self, loss=LOSSES, schedule=SCHEDULES)
        whole(self, "batch", "epochs", "parts", "threads", "checkpoint_every")
        whole(self, "seed", "shift", least=0)
        finite(self, "rate", "clip", "clamp", "conv_scale", "bin", above=0.0)
        finite(self, "desired", "undesired", "weight_decay", "spike_cost", least=0.0)
        finite(self, "dropout", least=0.0, below=1.0)

    @property
    def constants(self):
        """The `Constants` of the neurons."""
        return Constants(**{name: getattr(self, name) for name in CONSTANTS})

    def stages(self, shape):
        """The layers on inputs of `shape`. Raises `ParameterError`."""
        return stages(shape, self.layers, "s")
