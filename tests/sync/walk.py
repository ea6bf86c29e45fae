"""Random walks of the state machines: many more programs than hypothesis has time for.

hypothesis looks for programs cleverly, and shrinks those that fail, which takes most of its time.
A walk takes any rule that may be taken, with any arguments, and is known by its seed.
"""

from __future__ import annotations

from inspect import getmembers
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine


def examples(count: int) -> int:
    """Return how many programs to try: so many, or more under a profile that asks for more.

    The default profile of hypothesis says 100, ``--hypothesis-profile thorough`` 2,000.
    """
    return count * settings().max_examples // 100


class _Data:
    """Stands in for `st.data()`."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def draw(self, strategy: Any) -> Any:
        """Return any value of it; of the kinds of strategies that the machines use."""
        strategy = getattr(strategy, "wrapped_strategy", strategy)
        kind = type(strategy).__name__
        if kind == "IntegersStrategy":
            return self.chance.randint(strategy.start, strategy.end)
        if kind in ("SampledFromStrategy", "JustStrategy"):
            return self.chance.choice(strategy.elements)
        if kind == "BooleansStrategy":
            return self.chance.random() < 0.5
        assert kind == "DataStrategy", f"walks cannot draw from {strategy!r} yet"
        return self


def _comes(rule: Any) -> bool:
    """Does somebody come, to wait? More have to than go, for else the lines are short."""
    return "slot" in rule.arguments


def _marked(kind: type[RuleBasedStateMachine], what: str) -> list[Any]:
    """Return the rules of a machine, those at its beginning, or its invariants."""
    marker = f"hypothesis_stateful_{what if what == 'invariant' else what + 'rule'}"
    members = (getattr(function, marker, None) for _, function in getmembers(kind))
    return [member for member in members if member is not None]


def walk(kind: type[RuleBasedStateMachine], seed: int, steps: int) -> None:
    """Take so many steps, and look at the invariants after each."""
    data = _Data(Random(seed))
    machine: Any = kind()
    first, rules, invariants = (_marked(kind, what) for what in ("initialize_", "", "invariant"))

    def take(rule: Any) -> None:
        arguments = {name: data.draw(of) for name, of in rule.arguments.items()}
        rule.function(machine, **arguments)
        for invariant in invariants:
            if all(condition(machine) for condition in invariant.preconditions):
                invariant.function(machine)

    try:
        for rule in first:
            take(rule)
        for _ in range(steps):
            allowed = [r for r in rules if all(holds(machine) for holds in r.preconditions)]
            take(data.chance.choices(allowed, [4 if _comes(r) else 1 for r in allowed])[0])
        machine.teardown()
    except BaseException as exc:
        exc.add_note(f"walk({kind.__name__}, seed={seed}, steps={steps})")
        raise


def walks(kind: type[RuleBasedStateMachine], seeds: int, steps: int) -> None:
    """Walk with so many seeds, or more, if the profile asks for that."""
    for seed in range(examples(seeds)):
        walk(kind, seed, steps)
