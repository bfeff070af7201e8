"""The second process that compiles the engine: only where it helps, and never left behind."""

import sys

import pytest

from eventsnn.experiments import beside


class Child:
    """Stands for the second process."""

    made = ()

    def __init__(self, command, **_):
        type(self).made += (self,)
        self.command, self.done = command, []

    def wait(self):
        self.done.append("wait")

    def kill(self):
        self.done.append("kill")


@pytest.fixture
def children(monkeypatch):
    """Children that are started, on a machine with two cores and nothing compiled."""
    kind = type("Recorder", (Child,), {"made": ()})
    monkeypatch.setattr(beside.subprocess, "Popen", kind)
    monkeypatch.setattr(beside, "compiled", lambda: False)
    monkeypatch.setattr(beside, "cores", lambda: 2)
    return kind


def test_the_body_is_followed_by_waiting_for_the_child(children):
    with beside.compiling():
        child, = children.made
        assert child.done == [] and child.command[0] == sys.executable
        assert "-P" in child.command  # the package of this process, not one that lies in the working directory
    assert child.done[0] == "wait"


def test_a_child_does_not_outlive_an_interrupt(children):
    with pytest.raises(KeyboardInterrupt), beside.compiling():
        raise KeyboardInterrupt
    assert children.made[0].done[0] == "kill"


@pytest.mark.parametrize("name, value", [("compiled", lambda: True), ("cores", lambda: 1)])
def test_no_child_where_it_does_not_help(children, monkeypatch, name, value):
    monkeypatch.setattr(beside, name, value)
    with beside.compiling():
        pass
    assert children.made == ()


def test_the_cache_tells_whether_the_engine_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "cache_dir", lambda: str(tmp_path))
    assert not beside.compiled()
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "heap.run_heap-321.py311.nbi").touch()
    assert beside.compiled()


def test_what_the_child_runs_exists():
    from eventsnn.experiments.warmup import samples

    samples()
    assert beside.compiled()
