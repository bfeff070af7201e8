"""The settings of an EqSpike training run."""

from dataclasses import dataclass, fields

from ...errors import ParameterError, unknown_name
from ..checks import finite, whole, words

LONGEST = 400.0  # tau_syn or tau_filter per phase: the powers that states are scaled by stay far from overflow
WAYS = ("two", "three", "swing")
SIGNS = ("random", "fixed")
INPUTS = ("intervals", "spikes")
LOSSES = ("squared", "softmax")
OPTIMISERS = ("plain", "adam")


@dataclass(frozen=True)
class EqSpikeConfig:
    """The training recipe; times in s, rates as fractions of the highest, 1 / t_ref.

    `hidden` neurons; `tau_mem` of all neurons (tau_syn is half of it), `tau_filter` of the two filters that give the change of
    a rate, `t_ref`, `theta`. `free` and `nudged` last the phases. `phases` "two": free, then nudged by +-beta; "three": then
    free again, learning with the opposite sign, so that what correlated spikes change at constant rates cancels; "swing": free,
    nudged without learning, then by the opposite beta, learning.
    `sign` "random" draws the sign per presentation, "fixed" keeps beta positive. `rates` of the two layers (weights, and
    biases of the neurons they lead to) fall along half a cosine to a hundredth; a step is rate times the mean over `batch`
    samples. `at_once` changes every weight at the spike itself, which needs a batch of 1. `bias` is that of all neurons at the
    start, `bias_output` that of the outputs where it is to be another; the weights between hidden neurons and outputs start
    `output_scale` times as large as those of the usual draw. One thread presents `chunk` samples after one another.

    `loss` "squared": the nudge draws the rates of the outputs to the unit vector of the label; "softmax": it is a constant
    current along the error of softmax(`steepness` * rates), beta for the output with the largest error, and the changes are in
    proportion to that error; samples where it is below `least_error` are not nudged and teach nothing.

    `optimiser` "plain": a step is the rate times the mean change; "adam": Adam on mean changes, at these rates.

    `inputs` "spikes": a spike of an input changes a weight by the momentary change of the other neuron's rate; "intervals": by
    its mean since the last spike of the input, the end of the phase closing the last interval. That has the same mean and a
    small part of the variance.

    Raises `ParameterError` with the name, the value and the allowed range.

    >>> EqSpikeConfig(hidden=30, seed=3).tau_syn
    0.02
    """

    hidden: int = 100
    tau_mem: float = 0.04
    tau_filter: float = 0.02
    t_ref: float = 0.004
    theta: float = 0.05
    free: float = 0.2
    nudged: float = 0.1
    phases: str = "two"
    sign: str = "random"
    inputs: str = "intervals"
    beta: float = 0.5
    rates: tuple = (0.3, 0.03)
    loss: str = "squared"
    steepness: float = 20.0
    least_error: float = 0.02
    optimiser: str = "plain"
    bias: float = 0.3
    bias_output: float | None = None
    output_scale: float = 1.0
    batch: int = 8
    at_once: bool = False
    epochs: int = 20
    seed: int = 0
    threads: int = 1
    chunk: int = 4
    checkpoint_seconds: float = 60.0

    def __post_init__(self):
        object.__setattr__(self, "rates", tuple(self.rates))
        whole(self, "hidden", "batch", "epochs", "threads", "chunk")
        whole(self, "seed", least=0)
        finite(self, "tau_mem", "tau_filter", "t_ref", "theta", "free", "nudged", "beta", "steepness", above=0.0)
        finite(self, "checkpoint_seconds", "least_error", "output_scale", "rates", least=0.0)
        finite(self, "bias", *(["bias_output"] if self.bias_output is not None else []))
        if len(self.rates) != 2:
            raise ParameterError(f"rates must have 2 entries, one per layer, got {self.rates!r}")
        words(self, phases=WAYS, sign=SIGNS, inputs=INPUTS, loss=LOSSES, optimiser=OPTIMISERS)
        if self.at_once and self.batch != 1:
            raise ParameterError(f"batch must be 1 where at_once changes weights at every spike, got {self.batch!r}")
        if self.at_once and self.optimiser != "plain":
            raise ParameterError(f"optimiser must be 'plain' where weights change at_once, got {self.optimiser!r}")
        shortest = min(self.tau_syn, self.tau_filter)
        for name in ("free", "nudged"):
            if getattr(self, name) > LONGEST * shortest:
                raise ParameterError(f"{name} must be at most {LONGEST:g} times the shortest of tau_mem / 2 and tau_filter, "
                                     f"{LONGEST * shortest:g} s, got {getattr(self, name)!r}")

    @property
    def tau_syn(self):
        """Time constant of synapses and of the nudge, s."""
        return self.tau_mem / 2.0

    @classmethod
    def of(cls, values):
        """The recipe with the fields in the dict `values`; raises `UnknownNameError` for others.

        >>> EqSpikeConfig.of({"beta": 2.0}).beta
        2.0
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("setting", name, known)
        return cls(**values)
