"""What a `Simulation` with learning rules can do besides: weights, variables, triggers, timers."""

import numpy as np

from . import layout
from .errors import NotAvailableError, ParameterError, unknown_name
from .model.checks import real
from .model.plastic import lines, weights


def checked_rules(rules, threads):
    """`rules` as a tuple. Raises `ParameterError` for what is no rule, and for more than one thread."""
    rules = tuple(rules) if np.iterable(rules) else (rules,)
    for rule in rules:
        if not hasattr(rule, "addresses"):
            raise ParameterError(f"rules must be es.Rule or es.NeuronRule objects, got {type(rule).__name__}")
    if rules and threads > 1:
        raise ParameterError(f"threads of the simulation must be 1 with rules, got {threads!r}")
    return rules


class Learning:
    """The part of `Simulation` that deals with rules; it has `lowered`, `rules` and `scheduler`."""

    def _timers(self, stop, fresh):
        """Go on through all timer events of the rules up to `stop`."""
        state = self.scheduler.state
        while True:
            due = [(turn + 1) * rule.every if rule.every else np.inf for rule, turn in zip(self.rules, state.turn[:, 1])]
            if min(due) > stop:
                return fresh
            self._section(min(due), fresh)
            fresh = False
            for r in np.flatnonzero(np.array(due) == min(due)).tolist():
                self.scheduler.learn_all(r)
                state.turn[r, 1] += 1
                self._complain(r)

    def _complain(self, r):
        """Raise what a function of rule `r` raised, or that it gave nan; the weights are those before."""
        rule, turn = self.rules[r], self.scheduler.state.turn
        rule.raise_error()
        if turn[r, 2]:
            turn[r, 2] = 0
            raise ParameterError(f"a function of the rule of {rule.owner!r} returned nan; it must return a number")

    def _projection(self, name):
        """Number of projection `name`."""
        names = [p.name for p in self.lowered.projections]
        if name not in names:
            raise unknown_name("projection", name, names)
        return names.index(name)

    def weights(self, name):
        """(source, target, weight) of every synapse of projection `name` now, arrays [n] with local numbers, by source.

        Raises `UnknownNameError`, and `NotAvailableError` for projections that do not store their synapses.
        """
        k = self._projection(name)
        if self.lowered.wiring.proj[k, layout.J_KIND] == layout.PROCEDURAL:
            raise NotAvailableError(f"projection {name!r} does not store its synapses")
        return weights(self.lowered.wiring, self.lowered.first, k)

    def _rule(self, name):
        """Number of the rule of projection, or of population, `name`."""
        owners = [rule.owner for rule in self.rules]
        if name in owners:
            return owners.index(name)
        if name not in self.lowered.names:
            self._projection(name)
        raise ParameterError(f"{name!r} has no rule; rules are those of {', '.join(map(repr, owners)) or 'none'}")

    def learning(self, name):
        """Variables of the rule of projection or population `name` now, {name: array}.

        Of sources, targets, synapses, the network. Those of synapses in the order of `weights`, and those of sources too where
        delays differ. Raises `ParameterError` where there is no rule.
        """
        r, found = self._rule(name), {}
        wiring, state, rule = self.lowered.wiring, self.scheduler.state, self.rules[r]
        self.scheduler.bring(r)
        first, k = int(wiring.rule[r, layout.R_FIRST]), int(wiring.rule[r, layout.R_PROJECTION])
        for v, key in enumerate(_variables(rule)):
            at, n = wiring.variable[first + v, :2]
            found[key] = state.trace[at:at + n] * state.buffer[layout.B_DECAY + v]
        if k >= 0 and wiring.proj[k, layout.J_DELAYS] != layout.UNIFORM:
            line = lines(wiring, self.lowered.first, k)[0]
            found |= {key: found[key][line] for key in rule.pre}
        return found

    def set_learning(self, name, **values):
        """Set variables of the rule of projection or population `name` now: of the network, or of its targets.

        A number, or for targets an array [number of targets]. Raises `UnknownNameError` for other variables, `ParameterError`
        for values of another shape, or not finite, and where there is no rule.
        """
        r = self._rule(name)
        rule = self.rules[r]
        keys = _variables(rule)
        n = self.lowered.populations[self.lowered.wiring.rule[r, layout.R_TARGET]].n
        checked = {}
        for key, value in values.items():
            if key not in rule.network and key not in rule.post:
                raise unknown_name("variable of the network or the targets", key, [*rule.network, *rule.post])
            checked[keys.index(key)] = real(value, key, f"the rule of {name!r}", n if key in rule.post else None)
        for m, value in checked.items():
            self.scheduler.set_variable(r, m, value)

    def trigger(self, name, **values):
        """Run `on_timer` of the rule of projection or population `name` now, after `set_learning(name, **values)`.

        Raises `ParameterError` for a rule without `on_timer`, and what `set_learning` raises.
        """
        r = self._rule(name)
        if not self.lowered.wiring.rule[r, layout.R_TIMER]:
            raise ParameterError(f"the rule of {name!r} has no on_timer to trigger")
        self.set_learning(name, **values)
        self.scheduler.learn_all(r)
        self._complain(r)


def _variables(rule):
    return [*rule.pre, *rule.post, *rule.synapse, *rule.network]
