"""The settings of a DECOLLE training run."""

from dataclasses import dataclass

from ...errors import ParameterError
from ..checks import finite, whole, words

SCHEDULES = ("constant", "cosine", "steps")
OPTIMISERS = ("adamax", "sgd")
INITS = ("normal", "scaled")
GATHERS = ("sum", "last")


@dataclass(frozen=True)
class Config:
    """The training recipe. Steps are milliseconds (or bins of a recording).

    layers : see `shapes.stages`; readout : a, the readouts are uniform within +-a / sqrt(fan in)
    steps, burn_in : length of the window shown in training; nothing is learned and nobody votes in its first `burn_in` steps;
        test_steps : length of the window in tests
    timer : steps between two updates of the weights; gather : "sum", gradients of all steps since the last update are added,
        or "last", the gradient of the step of the update alone
    error_threshold : error-triggered learning: errors |Y - target| no larger than this change nothing
    optimiser : "adamax" with decay 0.95 and no momentum, or "sgd"; rate, schedule: "constant", "cosine" (to a hundredth over
        all epochs), "steps" (from epoch `rate_every` on rate / (rate_factor floor(epoch / rate_every)))
    dropout : of the readout's inputs, in training only; activity, silence : factors of the two regularisers (see `kernels`)
    init : "normal", or "scaled": weights and biases are then scaled layer by layer until U has mean 0 and variance 1 at the end
        of the window, on the first samples
    alpha, beta, gamma, rho, gain : see `network.Constants`
    peak, shift : see `inputs.PoissonImages`; side, bin, most, shift, random_start : see `inputs.Recordings`
    checkpoint_every : epochs. Results do not depend on `threads`.

    Raises `ParameterError` for values out of range.

    >>> Config(layers=(100,), epochs=2).rate
    0.001
    """

    layers: tuple = (120, 120)
    readout: float = 0.5
    steps: int = 100
    burn_in: int = 40
    test_steps: int = 160
    timer: int = 1
    gather: str = "sum"
    error_threshold: float = 0.0
    optimiser: str = "adamax"
    rate: float = 1e-3
    schedule: str = "constant"
    rate_every: int = 4
    rate_factor: float = 5.0
    batch: int = 100
    epochs: int = 8
    dropout: float = 0.5
    activity: float = 0.0
    silence: float = 0.0
    init: str = "normal"
    alpha: float = 0.97
    beta: float = 0.92
    gamma: float = 0.65
    rho: float = 1.0
    gain: float = 20.0
    peak: float = 0.2
    shift: int = 0
    side: int = 17
    bin: float = 1e-3
    most: int = 1
    random_start: int = 0
    seed: int = 0
    threads: int = 1
    checkpoint_every: int = 1

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        words(self, schedule=SCHEDULES, optimiser=OPTIMISERS, init=INITS, gather=GATHERS)
        whole(self, "steps", "test_steps", "timer", "rate_every", "batch", "epochs", "threads", "checkpoint_every", "side",
              "most")
        whole(self, "burn_in", "shift", "seed", "random_start", least=0)
        if self.burn_in >= min(self.steps, self.test_steps):
            raise ParameterError(f"burn_in must be below steps and test_steps, got {self.burn_in!r} for {self.steps} and "
                                 f"{self.test_steps}")
        finite(self, "readout", "rate", "rate_factor", "activity", "silence", "rho", "gain", "error_threshold", least=0.0)
        finite(self, "alpha", "beta", "gamma", "dropout", least=0.0, below=1.0)
        finite(self, "bin", above=0.0)
        finite(self, "peak", above=0.0, most=1.0)
