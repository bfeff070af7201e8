"""Which settings a training task has: those of the task, of its preset, and those that are asked for."""

from dataclasses import fields

from ..errors import unknown_name


def chosen(recipes, config, task, preset, changes):
    """(data, `config`) of a task in `recipes`, {task: (data, [settings,] {preset: settings})}, where later settings win.

    config : a dataclass; changes : its fields, lists become tuples. Raises `UnknownNameError` for another task, preset or
    field, and what `config` raises for bad values.

    >>> from eventsnn.learn.config import Config
    >>> chosen({"a": ("digits", {"batch": 8}, {"quick": {"epochs": 2}})}, Config, "a", "quick", {"epochs": 3})[1].epochs
    3
    """
    if task not in recipes:
        raise unknown_name("task", task, recipes)
    data, *settings, presets = recipes[task]
    if preset not in presets:
        raise unknown_name("preset", preset, presets)
    known = [field.name for field in fields(config)]
    for name in changes:
        if name not in known:
            raise unknown_name("setting", name, known)
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    given = {}
    for part in (*settings, presets[preset], changes):
        given |= part
    return data, config(**given)
