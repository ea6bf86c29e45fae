"""What cancellation must satisfy, as laws: for rescind itself, and for futures of your own."""

from rescind.testing.laws.broken import LawBroken
from rescind.testing.laws.combinators import check_combinator
from rescind.testing.laws.equiv import endings, same, same_outcomes
from rescind.testing.laws.futures import check_future
from rescind.testing.laws.interpret import Boom, Machine
from rescind.testing.laws.primitives import check_primitive
from rescind.testing.laws.stage import Injection, Play, Setting, play
from rescind.testing.laws.strategies import fin, inj, prog, sched, settings

__all__ = [
    "Boom",
    "Injection",
    "LawBroken",
    "Machine",
    "Play",
    "Setting",
    "check_combinator",
    "check_future",
    "check_primitive",
    "endings",
    "fin",
    "inj",
    "play",
    "prog",
    "same",
    "same_outcomes",
    "sched",
    "settings",
]
