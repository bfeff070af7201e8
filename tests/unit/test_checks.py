"""Checks of settings: what is let through, and what the message says."""

from types import SimpleNamespace

import numpy as np
import pytest

from eventsnn.errors import ParameterError
from eventsnn.learn.checks import finite, whole, words


@pytest.mark.parametrize("value", [1, 7, np.int64(3), (1, 2), [4], ()])
def test_whole_numbers_pass(value):
    whole(SimpleNamespace(n=value), "n")


@pytest.mark.parametrize("value, shown", [(0, "0"), (True, "True"), (1.0, "1.0"), ("3", "'3'"), (None, "None"), ((2, 0), "0")])
def test_other_things_are_no_whole_numbers(value, shown):
    with pytest.raises(ParameterError, match=f"^n must be a whole number >= 1, got {shown}$"):
        whole(SimpleNamespace(n=value), "n")


@pytest.mark.parametrize("value", [0.0, 0.5, 0, np.float32(0.25), (0.0, 0.9)])
def test_numbers_within_limits_pass(value):
    finite(SimpleNamespace(x=value), "x", least=0.0, below=1.0)


@pytest.mark.parametrize("value", [-1e-9, 1.0, np.nan, np.inf, -np.inf, True, "0.5", None, (0.5, 1.0)])
def test_numbers_outside_and_other_things_are_refused(value):
    with pytest.raises(ParameterError, match="^x must be a finite number >= 0 and < 1, got "):
        finite(SimpleNamespace(x=value), "x", least=0.0, below=1.0)


def test_limits_may_be_open_or_closed():
    finite(SimpleNamespace(x=1.0), "x", above=0.0, most=1.0)
    finite(SimpleNamespace(x=-1e300), "x")
    with pytest.raises(ParameterError, match="> 0 and <= 1, got 0.0"):
        finite(SimpleNamespace(x=0.0), "x", above=0.0, most=1.0)
    with pytest.raises(ParameterError, match="x must be a finite number, got nan"):
        finite(SimpleNamespace(x=np.nan), "x")


def test_words_are_among_the_known():
    words(SimpleNamespace(loss="a"), loss=("a", "b"))
    with pytest.raises(ParameterError, match="loss must be one of 'a', 'b', got 'c'"):
        words(SimpleNamespace(loss="c"), loss=("a", "b"))
