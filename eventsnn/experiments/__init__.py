"""Complete experiments that run from the command line, described by TOML files."""

import math
from pathlib import Path
from time import perf_counter

from ..errors import InputError
from .config import experiment_module, experiment_names, load_plan

__all__ = ["experiment_names", "run_experiment"]


def run_experiment(name, overrides=None, out=None, seed=None, progress=False):
    """Run the experiment `name` (or TOML file) and return its summary, a dict of plain numbers and strings.

    `overrides` is a dict of settings and may choose a "preset". Files go to the folder `out`, by default
    ``out/<experiment>-seed<seed>``, each replaced atomically: run.h5, summary.json and figures. `progress` shows bars
    on stderr. Raises as `config.load_plan` does, and `InputError` if the folder cannot be made.

    >>> from eventsnn.experiments import run_experiment
    >>> run_experiment("balanced", {"preset": "quick"}, out="results")["rate_hz"]     # doctest: +SKIP
    """
    from ..energy import load_profile
    from ..io.atomic import write_json

    started = perf_counter()
    plan = load_plan(name, overrides, seed)
    load_profile(plan.settings["energy_profile"])  # a wrong name should not surface after minutes of work
    out = Path(out) if out is not None else Path("out") / f"{plan.experiment}-seed{plan.settings['seed']}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out} for the results: {error.strerror or error}") from error
    found = experiment_module(plan.experiment).run(plan.settings, out, progress)
    head = {"experiment": plan.experiment, "preset": plan.preset, "seed": plan.settings["seed"]}
    summary = _plain({**head, "wall_s": perf_counter() - started, **found})
    write_json(out / "summary.json", summary)
    return summary


def _plain(value):
    """`value` as JSON can hold it: NumPy numbers and arrays as Python ones, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
