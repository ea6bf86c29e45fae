"""The corpus can be read, and says of itself what is so."""

import ast
import tomllib
from pathlib import Path

import pytest

from corpus import servers
from scripts.corpus_harness.cases import (
    ROOT,
    CorpusError,
    Explained,
    Version,
    read_case,
    read_corpus,
)
from scripts.corpus_harness.command import select

CASES = read_corpus()
MINIMAL = 'library = "l"\nkind = "k"\npython = "3.11"\n'


def write(folder: Path, text: str) -> Path:
    """Write a case that has this `case.toml` and an empty scenario."""
    (folder / "case.toml").write_text(text, encoding="utf-8")
    (folder / "scenario.py").write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_scenario_has_the_functions_that_a_checker_looks_for(case) -> None:
    """Each is async, and takes what corpus/README.md says."""
    tree = ast.parse(case.scenario.read_text(encoding="utf-8"))
    functions = {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef)
    }

    wanted = {"setup": ["env"], "scenario": ["env"], "teardown": ["env"]}
    wanted["invariant"] = ["env", "outcome"]
    assert {"scenario", "invariant"} <= functions.keys()
    assert {name: functions[name] for name in wanted if name in functions} == {
        name: arguments for name, arguments in wanted.items() if name in functions
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_says_where_it_breaks(case) -> None:
    """The result that was measured names at least one place."""
    data = tomllib.loads((case.scenario.parent / "case.toml").read_text(encoding="utf-8"))

    assert data["result"]["place"]
    assert data["result"]["symptom"]
    assert any(key.startswith("broken_at_") for key in data["result"])


def test_the_corpus_has_ten_pairs_and_two_open_bugs() -> None:
    """Each of the published bugs has both versions."""
    roles = [tuple(version.role for version in case.versions) for case in CASES]

    assert [("buggy", "fixed")] * 10 + [("open",)] * 2 == roles


def test_every_server_that_a_case_needs_is_one_that_can_be_started() -> None:
    """Their names are those of corpus/servers.py."""
    needed = {name for case in CASES for name in (*case.servers, *case.slow_servers)}

    assert needed <= servers.PORTS.keys()


def test_the_readme_lists_every_case() -> None:
    """Whoever adds a case adds its line."""
    readme = (ROOT / "corpus" / "README.md").read_text(encoding="utf-8")

    assert [case.name for case in CASES if f"| `{case.name}` |" not in readme] == []


def test_a_pair_whose_interpreter_is_the_bug_needs_no_requirements(tmp_path: Path) -> None:
    """`python_buggy` and `python_fixed` make two versions."""
    text = 'library = "l"\nkind = "k"\npython_buggy = "3.12.1"\npython_fixed = "3.13"\n'

    case = read_case(write(tmp_path, text), "c")

    assert case.versions == (Version("buggy", (), "3.12.1"), Version("fixed", (), "3.13"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (MINIMAL + 'serber = ["http"]\nopen = []\n', "serber means nothing"),
        (MINIMAL, "names no version"),
        (MINIMAL + 'buggy = ["a==1"]\n', "names no version"),
        (MINIMAL + 'open = "a==1"\n', "open has to be a list of texts"),
        ('kind = "k"\npython = "3.11"\nopen = []\n', "library has to be a text"),
        (MINIMAL + "open = [", "Invalid value|nclosed"),
        (MINIMAL + 'open = []\n[[explained]]\nversion = "old"\nreason = "r"\n', "none of buggy"),
        (MINIMAL + 'open = []\n[[explained]]\nversion = "any"\n', "reason has to be a text"),
        (
            MINIMAL + 'open = []\n[[explained]]\nversion = "any"\nreason = "r"\nmode = "m"\n',
            "mode means nothing",
        ),
        (
            MINIMAL
            + 'open = []\n[[explained]]\nversion = "any"\nreason = "r"\ninvariants = "no"\n',
            "none of with, without, both",
        ),
    ],
)
def test_a_case_that_says_something_else_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """The message names the file and what is wrong with it."""
    with pytest.raises(CorpusError, match=complaint) as caught:
        read_case(write(tmp_path, text), "c")

    assert str(tmp_path / "case.toml") in str(caught.value)


def test_a_case_without_a_scenario_is_refused(tmp_path: Path) -> None:
    """There is nothing to run."""
    (tmp_path / "case.toml").write_text(MINIMAL + "open = []\n", encoding="utf-8")

    with pytest.raises(CorpusError, match=r"scenario\.py is missing"):
        read_case(tmp_path, "c")


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    """No case at all is a mistake, not a success."""
    with pytest.raises(CorpusError, match="no case"):
        read_corpus(tmp_path)


def test_an_explanation_is_about_its_version_its_run_and_what_its_patterns_match() -> None:
    """All of detector, place and mode have to match one pattern each."""
    explained = Explained(
        version="fixed",
        reason="r",
        detectors=("swallowed",),
        places=("asyncio/tasks.py:* in wait_for",),
        modes=("asyncio", "t*"),
        invariants="without",
    )

    assert explained.covers("fixed", invariants=False)
    assert not explained.covers("fixed", invariants=True)
    assert not explained.covers("buggy", invariants=False)
    assert explained.matches("swallowed", "asyncio/tasks.py:476 in wait_for", "timeout")
    assert not explained.matches("hang", "asyncio/tasks.py:476 in wait_for", "timeout")
    assert not explained.matches("swallowed", "asyncio/locks.py:1 in wait", "timeout")
    assert not explained.matches("swallowed", "asyncio/tasks.py:476 in wait_for", "anyio")


def test_cases_are_chosen_by_name_or_by_being_in_the_small_set() -> None:
    """Without names it is all of them."""
    assert select(CASES, []) == CASES
    assert [case.name for case in select(CASES, ["redis-command"])] == ["redis-command"]
    small = select(CASES, [], smoke=True)
    assert 0 < len(small) < len(CASES)
    assert all(case.smoke and not case.servers for case in small)


def test_a_name_that_no_case_has_is_refused_with_those_that_there_are() -> None:
    """So that a slip does not pass as a success."""
    with pytest.raises(CorpusError, match=r"no case 'redis'; there are: .*redis-command"):
        select(CASES, ["redis"])
