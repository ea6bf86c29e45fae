"""How peers take turns, with processes that answer by the book."""

from pathlib import Path
from typing import Any

import pytest

from bench import rounds
from bench.peers import PEERS, Place
from bench.rounds import Plan, measure
from bench.subject import Subject

SWITCH = Subject("switch", "a task yields")
NAMED = {peer.name: peer for peer in PEERS}


class Scripted:
    """A process that notes who is asked for what, and fails where it is told to."""

    asked: list[tuple[str, str, int]]
    closed: list[str]
    failing: frozenset[str]

    def __init__(self, peer: Any, place: Place, *, patience: float) -> None:
        self.peer = peer

    def start(self) -> dict[str, Any]:
        return {"skip": "not here"} if self.peer.name == "curio" else {"version": "1"}

    def ask(self, subject: str, size: int, seconds: float, collect: str) -> dict[str, Any]:
        Scripted.asked.append((self.peer.name, subject, size))
        if self.peer.name in Scripted.failing:
            return {"error": "it has died"}
        return {"ops": size, "wall": 1.0, "cpu": 1.0, "amount": 0.0}

    def close(self) -> None:
        Scripted.closed.append(self.peer.name)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """Put scripted processes in place of real ones."""
    Scripted.asked, Scripted.closed, Scripted.failing = [], [], frozenset()
    monkeypatch.setattr(rounds, "Process", Scripted)
    return Scripted


def plan(*names: str, sizes: tuple[int, ...] = (10,), number: int = 3) -> Plan:
    """Return a plan for these peers."""
    return Plan([(SWITCH, sizes)], [NAMED[name] for name in names], rounds=number)


PLACE = Place("python", Path("compiled"), Path("tokio"))


def test_each_round_begins_with_another_peer(scripted: type[Scripted]) -> None:
    """Peers alternate, and nobody always comes after the same one (M1)."""
    measure(plan("asyncio", "trio", "anyio"), PLACE, print)

    order = [name for name, _, _ in scripted.asked]
    assert order == [
        *("asyncio", "trio", "anyio"),
        *("trio", "anyio", "asyncio"),
        *("anyio", "asyncio", "trio"),
    ]


def test_a_peer_that_fails_is_left_out_of_the_rest(scripted: type[Scripted]) -> None:
    """It is asked once; the other has all of its samples, and the failure is kept (M2)."""
    scripted.failing = frozenset({"trio"})

    results = measure(plan("asyncio", "trio", sizes=(10, 20)), PLACE, print)

    assert [each for each in scripted.asked if each[0] == "trio"] == [("trio", "switch", 10)]
    assert [len(row.samples) for row in results.rows if row.peer == "asyncio"] == [3, 3]
    failed = results.row("switch", 10, "trio")
    later = results.row("switch", 20, "trio")
    assert failed is not None
    assert later is not None
    assert (failed.error, later.skip) == ("it has died", rounds.FAILED)


def test_a_peer_that_is_not_here_is_named_and_never_asked(scripted: type[Scripted]) -> None:
    """Its reason stands in the results."""
    results = measure(plan("asyncio", "curio", number=1), PLACE, print)

    assert results.peers["curio"]["skip"] == "not here"
    assert scripted.asked == [("asyncio", "switch", 10)]


def test_all_processes_are_ended_whatever_happens(scripted: type[Scripted]) -> None:
    """An exception on the way leaves none behind."""

    def interrupt(_results: object, _subject: str, _size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(plan("asyncio", "trio"), PLACE, print, interrupt)

    assert scripted.closed == ["asyncio", "trio"]
