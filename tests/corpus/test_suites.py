"""Which suites are run, and what is made of their results."""

import tarfile
from pathlib import Path

import pytest

from scripts.corpus_harness import suites
from scripts.corpus_harness.cases import CorpusError
from scripts.corpus_harness.environments import EnvironmentFailed, NoInterpreter
from scripts.corpus_harness.suites import Outcome, Suite, main, read_results, read_suites

SUITE = Suite("lib", "1.0", "3.11", (), (), (("t::x", "r"),), (("*::test_known*", "a bug"),))
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_good"/>
<testcase classname="tests.test_a" name="test_bad"><failure>f</failure></testcase>
<testcase classname="tests.test_a" name="test_bad"><error>at teardown</error></testcase>
<testcase classname="tests.test_a" name="test_out"><skipped/></testcase>
</testsuite></testsuites>"""


def outcome(*failed: str, broken_off: str | None = None) -> Outcome:
    """Return how a run of a suite ended."""
    return Outcome(3, failed, 0, 0.1, broken_off)


def test_the_suites_can_be_read() -> None:
    """At least two, and each names what pytest needs."""
    read = read_suites()

    assert len(read) >= 2
    assert all(any(r.startswith("pytest-asyncio==") for r in suite.requirements) for suite in read)


@pytest.mark.parametrize(
    "text",
    ["[[suite]]\nname = 'a'\n", "[[suite]]\nnames = 'a'\n", "[[suite]", "", "suite = 1\n"],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """The message names it."""
    path = tmp_path / "suites.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(CorpusError, match=r"suites\.toml"):
        read_suites(path)


def test_results_are_counted_by_test(tmp_path: Path) -> None:
    """A test that fails twice, in itself and in its teardown, is one."""
    (tmp_path / "r.xml").write_text(JUNIT, encoding="utf-8")

    result = read_results(tmp_path / "r.xml", 0.5)

    assert result == Outcome(1, ("tests.test_a::test_bad",), 1, 0.5)


def test_results_that_are_none_are_told(tmp_path: Path) -> None:
    """Missing or cut off."""
    with pytest.raises(ValueError, match="no results"):
        read_results(tmp_path / "r.xml", 0.5)
    (tmp_path / "r.xml").write_text("<testsuites>", encoding="utf-8")
    with pytest.raises(ValueError, match="no results"):
        read_results(tmp_path / "r.xml", 0.5)


def test_a_finding_is_what_fails_only_when_swept_and_nobody_has_confirmed() -> None:
    """What fails plainly is no finding of the sweep."""
    plain = outcome("t::test_flaky")
    swept = outcome("t::test_flaky", "t::test_known[1]", "t::test_new")

    assert suites.unconfirmed(SUITE, plain, swept) == ["t::test_new"]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Outcome]:
    """Replace the runs by these outcomes, for the one suite there is."""
    outcomes = {"plain": outcome(), "swept": outcome()}
    monkeypatch.setattr(suites, "read_suites", lambda: [SUITE])
    monkeypatch.setattr(suites, "environment", lambda *_: Path("python"))
    monkeypatch.setattr(suites, "_run", lambda _s, _p, _x, _t, how: outcomes[how])
    return outcomes


def test_a_suite_that_passes_plainly_is_fine(
    runs: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without arguments for pytest there is no second run."""
    runs["swept"] = outcome(broken_off="must not be run")

    assert main([]) == 0

    assert "lib 1.0  3 passed, 0 failed, 0 skipped  0.1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "ended", "code"),
    [
        ("plain", outcome("t::test_a"), 1),
        ("plain", outcome(broken_off="exit code 3"), 1),
        ("swept", outcome("t::test_known"), 0),
        ("swept", outcome("t::test_new"), 1),
        ("swept", outcome(broken_off="ended after 600 s"), 1),
    ],
)
def test_what_breaks_and_is_not_confirmed_makes_the_exit_code_one(
    runs: dict[str, Outcome], how: str, ended: Outcome, code: int
) -> None:
    """Findings of a sweep that somebody has looked at are fine."""
    runs[how] = ended

    assert main(["lib", "--", "--cancel-sweep"]) == code


def test_an_interpreter_that_is_missing_is_skipped_and_a_pin_that_rotted_is_not(
    runs: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the corpus."""
    for error, code in ((NoInterpreter("no 3.11"), 0), (EnvironmentFailed("gone"), 1)):

        def refuse(*_arguments: object, error: Exception = error) -> Path:
            raise error

        monkeypatch.setattr(suites, "environment", refuse)
        assert main(["lib"]) == code


def test_an_unknown_suite_is_misuse(
    runs: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    """With those that there are."""
    assert main(["bil"]) == 2

    assert "there is no suite bil; there are: lib" in capsys.readouterr().err


def test_a_suite_is_run_as_it_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of an archive that is unpacked anew, whatever was changed since."""
    monkeypatch.setattr(suites, "CACHE", tmp_path)
    archives = tmp_path / "archives" / "lib-1.0"
    archives.mkdir(parents=True)
    source = tmp_path / "lib-1.0"
    source.mkdir()
    (source / "test_lib.py").write_text("published", encoding="utf-8")
    with tarfile.open(archives / "lib-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "lib-1.0")

    first = suites._unpacked(SUITE, Path("python"))
    (first / "test_lib.py").write_text("changed", encoding="utf-8")
    (first / "left.py").touch()
    again = suites._unpacked(SUITE, Path("python"))

    assert again == first
    assert [path.name for path in again.iterdir()] == ["test_lib.py"]
    assert (again / "test_lib.py").read_text(encoding="utf-8") == "published"


def test_the_plugin_is_named_where_nothing_else_makes_it_known(tmp_path: Path) -> None:
    """A checkout that was never installed has no entry points; named twice, pytest refuses it."""
    sweep = ("-q", "--cancel-sweep")

    assert suites._plugin((), tmp_path) == ()
    assert suites._plugin(sweep, tmp_path) == ("-p", "rescind_pytest")
    (tmp_path / "rescind.egg-info").mkdir()
    (tmp_path / "rescind.egg-info" / "entry_points.txt").touch()
    assert suites._plugin(sweep, tmp_path) == ()
