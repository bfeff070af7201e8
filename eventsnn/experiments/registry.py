"""Which module trains a task, and which one evaluates a kind of model file, for systems other than first-spike networks."""

from importlib import import_module

# first word of the task -> module of this folder with `train_task(task, preset, seed, seeds, out, threads, changes, progress)`
TRAINERS = {"decolle": "train_decolle", "eqspike": "train_eqspike", "tssl": "train_tssl"}
# "format" of the file -> module of this folder with `evaluate(name, scheduler, limit, jobs, profile, progress)`
EVALUATORS = {"eventsnn DECOLLE network": "evaluate_decolle", "eventsnn EqSpike network": "evaluate_eqspike",
              "eventsnn TSSL-BP network": "evaluate_tssl"}


def trainer(task):
    """The module that trains `task`, or None for first-spike networks.

    >>> trainer("yinyang") is None
    True
    """
    name = TRAINERS.get(task.partition("-")[0])
    return name and import_module(f".{name}", __package__)


def evaluator(name):
    """The module that evaluates the model `name` (shipped name or file), or None for first-spike and plain networks.

    >>> evaluator("yinyang") is None
    True
    """
    from ..io import model_kind

    found = EVALUATORS.get(model_kind(name))
    return found and import_module(f".{found}", __package__)
