"""What every benchmark shares: pinning, a description of the machine, and results written in one step."""

import json
import os
import platform
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def pin(*cores):
    """Keep this process and its children on these cores, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))


def machine():
    """Class of the machine: processor model, cores, system; no names."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line]
        fields = {key.strip(): value.strip() for key, value in reversed(lines)}
        model = fields.get("model name", model)
        if "cpu family" in fields:
            model += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}


def versions():
    """Versions of what eventsnn's speed depends on."""
    from importlib import metadata

    import eventsnn

    found = {"python": platform.python_version(), "eventsnn": eventsnn.__version__}
    return found | {name: metadata.version(name) for name in ("numpy", "numba", "llvmlite")}


def load():
    """Load average of the last minute: the runnable processes, ours included."""
    return round(os.getloadavg()[0], 2)


def command():
    """The command line of this benchmark, without absolute paths."""
    words = [Path(word).name if os.path.isabs(word) else word for word in sys.argv[1:]]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def write(path, report):
    """Replace the file `path` by `report` as JSON, in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(partial, path)


def table(header, rows):
    """A markdown table."""
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
