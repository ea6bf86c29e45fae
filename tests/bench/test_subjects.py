"""What can be seen of all subjects without running their peers for long."""

import json
import sys
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.peers import PEERS, Place, baseline, compiled_for
from bench.process import Process
from bench.subjects import all_subjects, body_of

NAMED = {peer.name: peer for peer in PEERS}
HERE = Place(sys.executable)


def test_names_of_subjects_are_unique() -> None:
    """The results could not tell two of one name apart."""
    names = [subject.name for subject in all_subjects()]

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("family", "lacks"), [("rescind", []), ("asyncio", ["rwlock"])])
def test_every_subject_has_something_to_do_in(family: str, lacks: list[str]) -> None:
    """Rescind is compared with asyncio in each of them that asyncio has anything for."""
    missing = [each.name for each in all_subjects() if body_of(each, family) is None]

    assert missing == lacks


def test_smoke_runs_native_subjects_in_processes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, from the command line to the file, for rescind and asyncio."""
    native = [subject.name for subject in all_subjects() if subject.native]
    path = tmp_path / "results.json"

    status = main([*native, "--smoke", "--peers", "rescind-pure,asyncio", "--json", str(path)])

    assert status == 0, capsys.readouterr().err
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [(row["subject"], row["peer"]) for row in rows if len(row["samples"]) == 1] == [
        (name, peer) for name in native for peer in ("rescind-pure", "asyncio")
    ]


def test_a_process_that_does_not_answer_is_ended_and_said_to_be() -> None:
    """The next question starts another (P1)."""
    process = Process(NAMED["asyncio"], HERE, patience=0.0)
    try:
        assert "no answer within 0 s" in process.ask("switch", 1_000, 0.0, "on")["error"]
        process._patience = 60.0
        assert process.ask("switch", 4, 0.0, "on")["ops"] > 0
    finally:
        process.close()


def test_a_form_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    """Without its directory the compiled form is not looked for elsewhere."""
    place = Place(sys.executable, tmp_path / "nothing", tmp_path / "nothing")

    assert "there is no compiled form" in str(place.missing(NAMED["rescind"]))
    assert "make bench-tokio" in str(place.missing(NAMED["tokio"]))


def test_a_peers_environment_says_which_form_it_finds(tmp_path: Path) -> None:
    """The compiled form is at the head of the path of who wants it, and of nobody else."""
    place = Place(sys.executable, tmp_path)
    base = {"PYTHONPATH": "elsewhere", "RESCIND_PURE": "1"}

    compiled = place.environment(NAMED["rescind"], base)
    pure = place.environment(NAMED["rescind-pure"], base)

    assert compiled["PYTHONPATH"].startswith(str(tmp_path))
    assert "RESCIND_PURE" not in compiled
    assert str(tmp_path) not in pure["PYTHONPATH"].split(":")
    assert pure["RESCIND_PURE"] == "1"


def test_the_compiled_form_is_looked_for_where_it_is_built() -> None:
    """One directory for each version of Python, since none can import another's modules."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert compiled_for(sys.executable).parts[-3:] == ("build", "compiled", version)
    assert Place(sys.executable).compiled == compiled_for(sys.executable)


def test_the_best_form_that_ran_stands_for_rescind() -> None:
    """Compiled before interpreted; nobody where neither ran."""
    assert baseline({"rescind", "rescind-pure", "asyncio"}) == "rescind"
    assert baseline({"rescind-pure", "asyncio"}) == "rescind-pure"
    assert baseline({"asyncio"}) is None
