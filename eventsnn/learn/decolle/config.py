"""The settings of a DECOLLE training run."""

from dataclasses import dataclass

from ...errors import ParameterError

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
        for name, known in (("schedule", SCHEDULES), ("optimiser", OPTIMISERS), ("init", INITS), ("gather", GATHERS)):
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} must be one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}")
        for name in ("steps", "test_steps", "timer", "rate_every", "batch", "epochs", "threads", "checkpoint_every", "burn_in",
                     "shift", "seed", "side", "most", "random_start"):
            value, least = getattr(self, name), 0 if name in ("burn_in", "shift", "seed", "random_start") else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ParameterError(f"{name} must be a whole number >= {least}, got {value!r}")
        if self.burn_in >= min(self.steps, self.test_steps):
            raise ParameterError(f"burn_in must be below steps and test_steps, got {self.burn_in!r} for {self.steps} and "
                                 f"{self.test_steps}")
        for name in ("readout", "rate", "rate_factor", "activity", "silence", "rho", "gain", "error_threshold"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise ParameterError(f"{name} must be a finite number >= 0, got {value!r}")
        for name in ("alpha", "beta", "gamma", "dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ParameterError(f"{name} must lie in [0, 1), got {getattr(self, name)!r}")
        if not 0.0 < self.bin < float("inf"):
            raise ParameterError(f"bin must be a finite number of seconds > 0, got {self.bin!r}")
        if not 0.0 < self.peak <= 1.0:
            raise ParameterError(f"peak must lie in (0, 1], got {self.peak!r}")
