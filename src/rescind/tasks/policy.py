"""What a task group does about a child that failed: `FailFast`, `Collect`, `Supervise`.

*What it is.* A policy is data and a decision: immutable, shared by any number of groups. What a
group counts while it runs is its own (`supervisor.Supervisor`).

*Threads.* Any; `GroupPolicy.cancels` is called on the group's runtime.

*Source.* Java's ``StructuredTaskScope`` joiners; the restarts are Erlang/OTP's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from rescind._core.grace import checked_seconds

if TYPE_CHECKING:
    from rescind._core.task import Task

__all__ = ["Collect", "FailFast", "GroupPolicy", "Policy", "Supervise", "policy_of"]


class GroupPolicy:
    """What a group does when a child fails; derive from it for a policy of your own.

    Attributes:
        raises: does the group raise its children's errors when all have ended? Otherwise each is
            logged when it happens.

    Example:
        >>> import rescind
        >>> class Tolerant(rescind.GroupPolicy):
        ...     def cancels(self, task, exception):  # only what is not about the network
        ...         return not isinstance(exception, ConnectionError)
        >>> rescind.task_group(policy=Tolerant(), name="fetch")
        <TaskGroup 'fetch', not entered, 0 alive>
    """

    raises: bool = True

    def cancels(self, task: Task[Any], exception: BaseException) -> bool:
        """Decide whether the failure of ``task`` cancels the group; called once for each.

        What it raises is an error of the group, and cancels it.
        """
        return True


class FailFast(GroupPolicy):
    """The first error cancels the others; all errors are raised. ``policy="fail_fast"``."""


class Collect(GroupPolicy):
    """No child's error cancels another; all are raised at the end. ``policy="collect"``."""

    def cancels(self, task: Task[Any], exception: BaseException) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Supervise(GroupPolicy):
    """Errors of children are logged, never raised; what was spawned as a function is restarted.

    Only a child given to ``g.spawn`` as an async function, uncalled, can be restarted: a coroutine
    runs once. A restart comes after a back-off; it never comes once the child, its group or their
    parent was asked to cancel, and a cancellation ends the back-off at once.

    More than ``max_restarts`` restarts within ``within`` seconds, of all children together, are too
    many: the group is canceled, and raises the errors that led to it.

    Args:
        restart: ``"on_failure"`` (an `Exception` was raised), ``"always"`` (or a value was
            returned), or ``"never"``.
        max_restarts: how many are allowed within ``within`` seconds; None: any number.
        within: length of that window, in seconds.
        backoff: seconds before a child's first restart, doubled for each further one until it has
            run for ``within`` seconds; or a function that gives the seconds before its ``n``-th
            restart, ``n`` from 1.
        max_backoff: what ``backoff``, if it is a number, is doubled up to, in seconds.
        jitter: each back-off is longer or shorter by a random part of up to this fraction of it,
            from 0 to 1, so that what failed together does not come back together.
        seed: for the jitter; None: another one each time.

    Raises:
        ValueError: a number is out of its range, or ``restart`` is another word.
        TypeError: a number is none.

    Source: Erlang/OTP's supervisors, with their restart intensity.
    """

    restart: Literal["on_failure", "always", "never"] = "on_failure"
    max_restarts: int | None = 3
    within: float = 5.0
    backoff: float | Callable[[int], float] = 0.0
    max_backoff: float = 30.0
    jitter: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.restart not in ("on_failure", "always", "never"):
            raise ValueError(
                f"restart must be 'on_failure', 'always' or 'never', not {self.restart!r}"
            )
        allowed = self.max_restarts
        if allowed is not None and (isinstance(allowed, bool) or not isinstance(allowed, int)):
            raise TypeError(f"max_restarts must be an int or None, not {allowed!r}")
        if allowed is not None and allowed < 0:
            raise ValueError(f"max_restarts must not be negative: {allowed!r}")
        checked_seconds(self.within, "within")
        if not callable(self.backoff):
            checked_seconds(self.backoff, "backoff")
        checked_seconds(self.max_backoff, "max_backoff")
        if checked_seconds(self.jitter, "jitter") > 1:
            raise ValueError(f"jitter must be a fraction from 0 to 1: {self.jitter!r}")

    @property
    def raises(self) -> bool:  # type: ignore[override]  # fixed, where the base has a default
        """False: what failed is logged."""
        return False

    def cancels(self, task: Task[Any], exception: BaseException) -> bool:
        return False

    def delay(self, n: int, random: Random) -> float:
        """Return the seconds before a child's ``n``-th restart, from 1.

        Raises:
            TypeError: ``backoff`` is a function, and gave no number.
            ValueError: it gave a negative one, or NaN.
        """
        if callable(self.backoff):
            seconds = checked_seconds(self.backoff(n), "what the backoff function returned")
        else:
            # Doubled more often than that, it would overflow before it is cut.
            seconds = min(self.backoff * 2.0 ** min(n - 1, 64), self.max_backoff)
        return seconds * (1 + random.uniform(-self.jitter, self.jitter))


Policy = Literal["fail_fast", "collect", "supervise"] | GroupPolicy


def policy_of(policy: Policy) -> GroupPolicy:
    """Return the policy that a word, or a policy, stands for."""
    if isinstance(policy, GroupPolicy):
        return policy
    if policy == "fail_fast":
        return FailFast()
    if policy == "collect":
        return Collect()
    if policy == "supervise":
        return Supervise()
    raise ValueError(
        f"policy must be 'fail_fast', 'collect', 'supervise' or a GroupPolicy, not {policy!r}"
    )
