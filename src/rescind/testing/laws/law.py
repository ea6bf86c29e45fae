"""What a law is: a number, a statement, and a function that checks it on what it is given.

*What it is.* ``@law(16)`` enters a function into `LAWS`. The names of its parameters say what
they are given. ``x``, ``y``, ``z``: programs; ``f``, ``h``: finalizers; ``on``: a setting, without
or with cancellations from outside; ``quiet``: one without; ``struck``: one with; ``a``, ``b``:
seconds; ``at``: a time between those of programs. A function without parameters is a program of its
own, and is called once.

*Threads.* One.

*Source.* cats-effect's ``laws`` module: laws are named functions, checked by whoever likes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rescind.testing.lab.injection import Kind
from rescind.testing.laws import strategies
from rescind.testing.laws.strategies import hypothesis_or_error

__all__ = ["ANY_KIND", "LAWS", "Law", "law", "search"]

C = TypeVar("C", bound=Callable[..., object])


@dataclass(frozen=True)
class Law:
    """A law.

    Attributes:
        number: ``16`` for P16.
        check: the function; it raises `AssertionError` where the law does not hold.
        examples: how many programs it is checked on, unless told otherwise.
        options: for the strategies of its programs, by parameter.
    """

    number: int
    check: Callable[..., object]
    examples: int = 40
    options: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def name(self) -> str:
        """Its name, such as ``P16 opened_shield_is_nothing``."""
        return f"P{self.number} {self.check.__name__}"

    @property
    def statement(self) -> str:
        """What it says."""
        return inspect.getdoc(self.check) or ""

    @property
    def group(self) -> str:
        """The heading under which it stands: the name of its module."""
        return self.check.__module__.rpartition(".")[2]

    def run(self, examples: int | None = None) -> None:
        """Check it, on that many programs; the first that breaks it is shrunk and shown.

        Raises:
            AssertionError: it does not hold.
            UsageError: hypothesis is needed and not installed.
        """
        parameters = list(inspect.signature(self.check).parameters)
        try:
            if not parameters:
                self.check()
            else:
                self._run_generated(parameters, examples or self.examples)
        except AssertionError as exc:
            exc.add_note(f"{self.name} does not hold: {self.statement}")
            raise

    def _run_generated(self, parameters: list[str], examples: int) -> None:
        hypothesis_or_error()
        made = {name: _strategy(name, self.options.get(name, {})) for name in parameters}
        search(self.check, made, examples)


def search(check: Callable[..., object], made: dict[str, Any], examples: int) -> None:
    """Call ``check`` with what the strategies make; raise the first failure, shrunk.

    Args:
        check: raises if something is wrong.
        made: a strategy for each of its arguments.
        examples: how often, under hypothesis' default profile of 100 examples; a profile that asks
            for 2,000 makes it twenty times as often.
    """
    hypothesis = hypothesis_or_error()
    profile = hypothesis.settings().max_examples
    settings = hypothesis.settings(
        max_examples=max(examples, examples * profile // 100),
        deadline=None,
        phases=[one for one in hypothesis.Phase if one.name != "explain"],
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )

    def checked(**arguments: Any) -> None:
        check(**arguments)

    # Under this name hypothesis keeps what it found.
    checked.__name__ = checked.__qualname__ = getattr(check, "__name__", "check")
    checked.__module__ = check.__module__
    settings(hypothesis.given(**made)(checked))()


LAWS: list[Law] = []

#: For ``on``: whatever the lab can inject, and not only cancellations of tasks.
ANY_KIND: dict[str, Any] = {"kinds": tuple(Kind)}


def law(number: int, *, examples: int = 40, **options: dict[str, Any]) -> Callable[[C], C]:
    """Enter a function into `LAWS`.

    Args:
        number: of which law it is a part; several functions may share one.
        examples: how many programs it is checked on.
        options: for the strategies, by the name of the parameter: ``x={"size": 4}``.
    """

    def enter(check: C) -> C:
        LAWS.append(Law(number, check, examples, options))
        return check

    return enter


def _strategy(name: str, options: dict[str, Any]) -> Any:
    import hypothesis.strategies as st

    if name in ("x", "y", "z"):
        return strategies.prog(**options)
    if name in ("f", "h"):
        return strategies.fin(**options)
    if name in ("a", "b"):
        return st.sampled_from((0, 0.5, 1, 1.5, 2, 3))
    if name == "at":
        return st.sampled_from((0.25, 0.75, 1.25, 1.75, 2.25, 3.25))
    injected = {"on": None, "quiet": False, "struck": True}
    return strategies.settings(injected=injected[name], **options)
