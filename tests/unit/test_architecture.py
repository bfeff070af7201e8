"""Imports run one way, names stay free, files stay short, every public name is documented with an example."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import eventsnn as es

ROOT = Path(es.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LONGEST = 500
EXTRAS = {"torch"}  # modules that need a package of an extra

# each layer may import itself and the layers it names, directly or through them
ALLOWED = {
    "errors": set(),
    "layout": set(),
    "types": {"errors"},
    "progress": {"errors"},
    "compiler": set(),
    "jit": {"compiler", "errors", "types", "layout"},
    "kernels": {"jit", "layout", "types", "errors"},
    "model": {"kernels", "layout", "types", "errors"},
    "schedulers": {"model", "kernels", "layout", "types", "errors"},
    "io": {"types", "errors"},
    "energy": {"types", "errors"},
    "run": {"energy", "io", "types", "errors"},
    "record": {"model", "types", "errors"},
    "rules": {"jit", "types", "errors"},
    "checkpoint": {"schedulers", "layout", "io", "types", "errors"},
    "learning": {"model", "layout", "types", "errors"},
    "engine": {"learning", "checkpoint", "record", "run", "energy", "io", "schedulers", "kernels", "model", "layout", "types",
               "errors", "progress"},
    "data": {"io", "types", "errors"},
    "learn": {"engine", "record", "run", "model", "kernels", "jit", "data", "io", "layout", "types", "errors", "progress"},
    "ann": {"errors"},
    "conversion": {"ann", "engine", "record", "run", "io", "model", "types", "errors"},
    "stream": {"engine", "conversion", "ann", "record", "data", "io", "progress", "types", "errors"},
    "hardware": {"engine", "record", "learn", "kernels", "run", "model", "jit", "types", "errors"},
    "torch": {"ann", "learn", "types", "errors"},
    "report": {"stream", "engine", "run", "energy", "io", "types", "errors"},
    "experiments": {"stream", "learn", "hardware", "conversion", "ann", "report", "data", "engine", "record", "run", "energy",
                    "io", "model", "kernels", "schedulers", "jit", "types", "errors", "progress"},
    "cli": {"experiments", "stream", "hardware", "learn", "report", "data", "engine", "run", "record", "energy", "io", "jit",
            "types", "errors", "progress"},
}



def name_of(path):
    """Dotted name within the package, '' for the package itself."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path, everywhere=True):
    """(modules of the package, top names of other packages) that the file imports; `everywhere`: inside functions too."""
    own, foreign = set(), set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, _, rest = alias.name.partition(".")
                (own if top == "eventsnn" else foreign).add(rest if top == "eventsnn" else top)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                top, _, base = node.module.partition(".")
                if top != "eventsnn":
                    foreign.add(top)
                    continue
            else:
                above = package.split(".") if package else []
                above = above[:len(above) - node.level + 1]
                base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inside = f"{base}.{alias.name}" if base else alias.name
                own.add(inside if inside in MODULES else base)
    return own - {""}, foreign


def layer(module):
    return module.partition(".")[0]


def test_every_module_has_its_layer():
    assert {layer(m) for m in MODULES} - {""} <= set(ALLOWED)


@pytest.mark.parametrize("module", [m for m in MODULES if m])
def test_imports_run_one_way(module):
    used = {layer(m) for m in imports(MODULES[module])[0]} - {layer(module)}
    assert used <= ALLOWED[layer(module)], f"{module} imports {used - ALLOWED[layer(module)]}"


def test_no_cycles():
    graph = {m: imports(path, everywhere=False)[0] - {m} for m, path in MODULES.items() if m}
    done = set()
    while len(done) < len(graph):
        ready = {m for m, needs in graph.items() if m not in done and needs <= done}
        assert ready, f"import cycle among {sorted(set(graph) - done)}"
        done |= ready


def test_the_model_is_plain_data_and_kernels_know_no_model():
    for module, path in MODULES.items():
        own, foreign = imports(path)
        if layer(module) not in ("kernels", "jit", "compiler", "learn", "cli"):
            assert "numba" not in foreign, module
        if layer(module) == "kernels":
            assert not {layer(m) for m in own} & {"model", "schedulers", "engine"}, module


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_is_light():
    code = ("import sys, eventsnn; dir(eventsnn); "
            "print([m for m in ('numba', 'h5py', 'matplotlib', 'scipy') if m in sys.modules])")
    assert run_python(code) == "[]"


def test_building_a_network_needs_no_numba():
    code = ("import sys, eventsnn as es; net = es.Network(); net.add('a', es.Input(2)); "
            "net.add('b', es.LIF(2, tau_mem=0.02, tau_syn=0.005, v_threshold=1.0)); "
            "net.connect('a', 'b', es.OneToOne(1.0)); print('numba' in sys.modules)")
    assert run_python(code) == "False"


def test_torch_is_not_imported_without_need():
    code = "import sys, eventsnn.cli, eventsnn.learn.fast_and_deep, eventsnn.learn.recipes; print('torch' in sys.modules)"
    assert run_python(code) == "False"


def test_no_submodule_shadows_a_public_name():
    names = ", ".join(repr(f"eventsnn.{m}") for m in MODULES if m and m not in EXTRAS)
    code = (f"import importlib, inspect; [importlib.import_module(m) for m in ({names})]; import eventsnn as es; "
            "assert not [n for n in es.__all__ if inspect.ismodule(getattr(es, n))]; "
            "net = es.Network(); net.add('a', es.Input(1)); net.add('b', es.IF(1, v_threshold=1.0)); "
            "net.connect('a', 'b', es.Dense([[1.0]])); "
            "run = es.simulate(net, {'a': es.Spikes([0.25], [0])}, until=1.0, scheduler='reference'); "
            "print(run.spikes['b'].times.tolist())")
    assert run_python(code) == "[0.25]"


@pytest.mark.parametrize("name", [n for n in es.__all__ if n != "__version__"])
def test_public_names_are_documented_with_an_example(name):
    text = inspect.getdoc(getattr(es, name))
    assert text and ">>> " in text, f"es.{name} needs a docstring with an example"


def test_dir_lists_the_public_names():
    assert set(es.__all__) <= set(dir(es))


@pytest.mark.parametrize("module", [m for m in MODULES if m])
def test_modules_are_documented_and_short(module):
    text = MODULES[module].read_text()
    assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"
    assert text.count("\n") <= LONGEST, f"{module} has {text.count(chr(10))} lines"
