"""The command line. Each command calls one function of the package; heavy imports happen inside the commands."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from .errors import EventsnnError


class _Group(TyperGroup):
    """Reports errors that eventsnn raises on purpose as one line on stderr, with exit code 2 and no traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except EventsnnError as error:
            typer.echo(f"eventsnn: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="eventsnn",
    cls=_Group,
    help="Exact, event-by-event simulation of spiking neural networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object, and show no progress.")]


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="An experiment (see `eventsnn list`) or a TOML file.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results [out/<experiment>-seed<seed>].")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    as_json: AsJson = False,
):
    """Run an experiment; write run.h5, summary.json and figures."""
    from .experiments import run_experiment
    from .experiments.config import parse_override

    overrides = dict(parse_override(text) for text in settings or [])
    quiet = as_json or not sys.stderr.isatty()
    summary = run_experiment(name, overrides, out, seed, progress=not quiet)
    _show(summary, quiet)


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(help="Show the settings of this experiment.")] = None,
    as_json: AsJson = False,
):
    """List the experiments that can be run, or the settings of one."""
    from .experiments.config import describe, experiment_names

    names = [name] if name else experiment_names()
    described = {each: describe(each) for each in names}
    if as_json:
        keys = ("about", "presets", "settings")
        found = {each: dict(zip(keys, parts)) for each, parts in described.items()}
        for parts in found.values():
            parts["settings"] = {key: {"default": default, "about": text} for key, default, text in parts["settings"]}
        typer.echo(json.dumps(found))
        return
    for each, (about, presets, rows) in described.items():
        typer.echo(f"{each}: {about}")
        typer.echo(f"  presets: {', '.join(presets)}")
        if name:
            typer.echo(_table([(key, value, text) for key, value, text in rows]))


@app.command()
def train(
    task: Annotated[str, typer.Argument(
        help="yinyang, yinyang-delays, mnist, mnist16, mnist-best, fashion, yinyang-bss2, mnist16-bss2, "
             "eqspike-digits, eqspike-mnist, decolle-digits, decolle-mnist, decolle-nmnist, decolle-gesture, tssl-digits, "
             "tssl-mnist, tssl-fashion, tssl-fashion-cnn, tssl-nmnist or tssl-cifar10.")],
    preset: Annotated[str, typer.Option(help="quick or paper.")] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of the first network.")] = 0,
    seeds: Annotated[int, typer.Option(help="Networks to train, with seeds seed, seed + 1, ...")] = 1,
    out: Annotated[Path | None, typer.Option(help="The model file [<task>.h5].")] = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 means all cores. The result does not depend on it.")] = 0,
    chip_seed: Annotated[int, typer.Option(help="The chip, for tasks that train on one.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be repeated.")
    ] = None,
    as_json: AsJson = False,
):
    """Train a network, with exact gradients or a local rule; write it as a model that `evaluate` reads."""
    from .experiments.config import parse_override
    from .experiments.training import train_task

    changes = dict(parse_override(text) for text in settings or [])
    quiet = as_json or not sys.stderr.isatty()
    _show(train_task(task, preset, seed, seeds, out, threads, changes, not quiet, chip_seed), quiet)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model or an HDF5 file of one.")],
    scheduler: Annotated[str, typer.Option(help="Scheduler of the event engine.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only so many samples of the test set.")] = None,
    jobs: Annotated[int, typer.Option(help="Samples at a time; 0 means all cores.")] = 0,
    profile: Annotated[str, typer.Option(help="Energy profile.")] = "loihi",
    hardware: Annotated[str | None, typer.Option(help="brainscales2: as the chip would run it.")] = None,
    chip_seed: Annotated[int | None, typer.Option(help="Another chip than the one the model was trained on.")] = None,
    as_json: AsJson = False,
):
    """Rerun the test set of a trained model through the event engine: accuracy, latency, spikes, events, energy."""
    from .experiments.evaluate import evaluate as rerun

    quiet = as_json or not sys.stderr.isatty()
    _show(rerun(model, scheduler, limit, jobs, profile, not quiet, hardware, chip_seed), quiet)


@app.command()
def stream(
    model: Annotated[str, typer.Argument(help="A shipped network (asnn-mnist-mlp) or an HDF5 file of one.")],
    source: Annotated[str, typer.Option(help="mnist, fashion, frames.npy, a recording of events, - for stdin.")],
    rate: Annotated[float, typer.Option(help="Seconds of the stream per second: 1: real time; 0: as fast as possible.")] = 0.0,
    period: Annotated[float, typer.Option(help="Seconds per frame, or per decision on events.")] = 0.15,
    limit: Annotated[int | None, typer.Option(help="Only so many frames.")] = None,
    m_f: Annotated[float | None, typer.Option(help="Precision: smaller is more accurate and spikes more.")] = None,
    tau: Annotated[str, typer.Option(help="tau_eta, or tau_eta,tau_gamma,tau_phi, in s.")] = "0.02",
    margin: Annotated[float | None, typer.Option(help="Lead of a logit at which to decide early.")] = None,
    arousal: Annotated[float | None, typer.Option(help="m_f of a precise network that sees uncertain frames.")] = None,
    queue: Annotated[int, typer.Option(help="Frames that may wait.")] = 64,
    drop: Annotated[str, typer.Option(help="Where more come: block, oldest or newest.")] = "block",
    snapshot: Annotated[Path | None, typer.Option(help="File to go on from, written now and then and at the end.")] = None,
    snapshot_every: Annotated[float, typer.Option(help="Seconds between two snapshots.")] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --snapshot if the file exists.")] = False,
    format_: Annotated[str | None, typer.Option("--format", help="frames (lines of numbers), bin, text, aedat4, ...")] = None,
    signed: Annotated[bool, typer.Option("--signed", help="Frames may hold negative values.")] = False,
    size: Annotated[str | None, typer.Option(help="Sensor, WIDTHxHEIGHT, if the recording does not say it.")] = None,
    height: Annotated[float | None, typer.Option(help="Pulse that an event gives; [m_f].")] = None,
    polarity: Annotated[str, typer.Option(help="Events that count: both, on or off.")] = "both",
    json_lines: Annotated[bool, typer.Option("--json-lines", help="One JSON object per decision and second.")] = False,
):
    """Stream frames or camera events through a converted network; decisions, statistics per second, a live view."""
    from .stream.command import stream_model
    from .stream.view import JsonLines, Lines, Screen

    if json_lines:
        view = JsonLines(typer.echo)
    else:
        view = Screen(f"{model} from {source}") if sys.stdout.isatty() else Lines(typer.echo)
    summary = stream_model(model, source, view, rate=rate, period=period, limit=limit, m_f=m_f, tau=tau, margin=margin,
                           arousal=arousal, queue=queue, drop=drop, snapshot=snapshot, snapshot_every=snapshot_every,
                           resume=resume, format=format_, signed=signed, size=size, height=height, polarity=polarity)
    if not json_lines:
        _show(summary, False)


@app.command()
def bench(
    n: Annotated[int, typer.Option(help="Neurons.")] = 20_000,
    variant: Annotated[str, typer.Option(help="eq: equal synaptic time constants; cuba: slower inhibition.")] = "eq",
    threads: Annotated[int, typer.Option(help="Threads; 0 means all cores.")] = 1,
    repeats: Annotated[int, typer.Option(help="Timed runs, of which median and least count.")] = 5,
    as_json: AsJson = False,
):
    """Time a balanced network on this machine: compiling, building, simulating."""
    from .experiments.bench import bench as measure

    quiet = as_json or not sys.stderr.isatty()
    _show(measure(n, variant, threads, repeats, progress=not quiet), quiet)


@app.command()
def warmup(as_json: AsJson = False):
    """Compile all kernels into the cache, so that the next run starts at once."""
    from .experiments.warmup import warm_up

    quiet = as_json or not sys.stderr.isatty()
    _show(warm_up(progress=not quiet), quiet)


@app.command()
def info(as_json: AsJson = False):
    """Show versions, the cache of compiled kernels, cores, and which data are found."""
    from .experiments.warmup import environment

    _show(environment(), as_json)


def _show(summary, as_json):
    typer.echo(json.dumps(summary) if as_json else _table(list(summary.items())))


def _table(rows):
    """Rows of (name, value, ...) with aligned columns."""
    cells = [[_text(cell) for cell in row] for row in rows]
    width = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  " + "  ".join(c.ljust(w) for c, w in zip(row, width)).rstrip() for row in cells)


def _text(value):
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    return str(value)


def main():
    """Entry point of the `eventsnn` command."""
    app()


if __name__ == "__main__":
    main()
