"""The list of mutants fits the source, and the published page fits the list."""

import re
from pathlib import Path

import pytest

from scripts.mutants import chosen, fault, line, stale
from scripts.mutation.child import BROKEN, KILLED, SURVIVED
from scripts.mutation.nodes import nodes_of
from scripts.mutation.page import PAGE, page
from scripts.mutation.trial import ROOT, Trial, kind
from tests.mutants import MUTANTS, SMOKE
from tests.mutants.mutant import Mutant, Stale


def trial(
    mutant: Mutant, verdict: str = KILLED, by: str = "tests/laws/test_own.py::test_x"
) -> Trial:
    """Return a trial of a mutant."""
    return Trial(mutant, verdict, by if verdict == KILLED else "", "so", True, False, 1.25)


def test_every_mutant_applies() -> None:
    """Each snippet is in its file, once: else `make mutants` cannot try it.

    After a change of the source: give the mutant a snippet that says the same fault now.
    """
    assert [] == stale(MUTANTS)


def test_each_has_a_name_of_its_own_and_changes_something() -> None:
    """No two share an id or a fault; at least eighty are looked after."""
    assert len(MUTANTS) == len({one.id for one in MUTANTS}) >= 80
    assert len(MUTANTS) == len({(one.file, one.old, one.new) for one in MUTANTS})
    assert [] == [one.id for one in MUTANTS if one.old == one.new]
    assert [] == [one.id for one in MUTANTS if not re.fullmatch(r"[a-z]+(-[a-z]+)*", one.id)]


def test_every_mutant_is_python() -> None:
    """A fault that cannot even be compiled says nothing."""
    for one in MUTANTS:
        compile(one.applied(ROOT / "src"), one.file, "exec")


def test_killers_are_tests_that_are_there() -> None:
    """Each law has a number that there is, each test a function in its file."""
    nodes = {node for one in MUTANTS for node in nodes_of(one.killers)}
    files = {node.partition("::")[0] for node in nodes}
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in files}

    missing: list[str] = []
    for node in nodes:
        path, _, name = node.partition("::")
        if f"def {name.partition('[')[0]}(" not in texts[path]:
            missing.append(node)

    assert [] == missing


def test_a_law_that_there_is_not_is_no_killer() -> None:
    """A wrong number is an error, and not nobody."""
    with pytest.raises(ValueError, match="no law P999"):
        nodes_of(("P999",))


def test_the_page_lists_each_mutant_once() -> None:
    """docs/mutants.md was written from this list; `make mutants` writes it anew."""
    listed = re.findall(r"^\| `([a-z-]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(one.id for one in MUTANTS) == sorted(listed)


def test_a_handful_is_tried_by_the_smoke_run() -> None:
    """Some of each part, all of them known."""
    smoke = chosen([], smoke=True)

    assert SMOKE == {one.id for one in smoke}
    assert {"_core", "combinators", "tasks", "sync"} == {one.file.split("/")[0] for one in smoke}


def test_a_stale_snippet_is_said_to_be(tmp_path: Path) -> None:
    """It says which mutant, which file, and how often the snippet is there."""
    (tmp_path / "rescind").mkdir()
    (tmp_path / "rescind" / "a.py").write_text("x = 1\nx = 1\n", encoding="utf-8")
    twice = Mutant("twice", "nothing", "R0", "a.py", "x = 1", "x = 2")
    gone = Mutant("gone", "nothing", "R0", "b.py", "x = 1", "x = 2")
    once = Mutant("once", "nothing", "R0", "a.py", "1\nx", "2\nx")

    with pytest.raises(Stale, match=r"twice: the snippet occurs 2 times in a\.py"):
        twice.applied(tmp_path)
    with pytest.raises(Stale, match=r"gone: the snippet occurs 0 times in b\.py"):
        gone.applied(tmp_path)
    assert "x = 2\nx = 1\n" == once.applied(tmp_path)


def test_what_survives_or_cannot_be_tried_is_a_fault() -> None:
    """Unless the list says why nobody can notice; and that must then be true."""
    plain = MUTANTS[0]
    known = Mutant("known", "nothing", "R0", "a.py", "1", "2", survives="it is the same")

    assert "" == fault(trial(plain))
    assert "nobody notices" in fault(trial(plain, SURVIVED))
    assert "could not be tried" in fault(trial(plain, BROKEN))
    assert "" == fault(trial(known, SURVIVED))
    assert "was noticed" in fault(trial(known))


def test_a_trial_is_told_on_the_page_and_on_the_terminal() -> None:
    """Who noticed, and how; who did not is told apart, with the reason."""
    law = "tests/laws/test_finalizers.py::test_law[P42-canceled_before_the_first_poll]"
    known = Mutant("known", "nothing", "R0", "_core/a.py", "1", "2", survives="it is the same")
    text = page([trial(MUTANTS[0], by=law), trial(known, SURVIVED)])

    assert "| law P42 canceled_before_the_first_poll | 1.2 |" in text
    assert "1 of 2 faults are noticed." in text
    assert "| `known` | nothing (R0) | it is the same |" in text
    assert law in line(trial(MUTANTS[0], by=law))
    assert "SURVIVED" in line(trial(known, SURVIVED))
    assert "BROKEN" in line(trial(known, BROKEN))


def test_checks_are_told_apart_by_their_place() -> None:
    """A law, a model check, an exploration, or an ordinary test."""
    kinds = [kind(f"tests/{place}/test_x.py::y") for place in ("laws", "models", "explorations")]

    assert ["law", "model", "lab"] == kinds
    assert "test" == kind("tests/core/test_cell.py::test_x")
