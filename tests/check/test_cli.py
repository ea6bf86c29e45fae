"""``rescind check`` and its ``replay``, as processes: what they print, and their codes."""

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from time import monotonic

import pytest

from rescind.check.sweep import Progress as Step
from rescind.cli import main
from rescind.cli.check import _progress
from tests.check.programs import LIBRARY, rescind_check, write

SCENARIOS = """
    import asyncio, random, threading
    from pool_of_one import Pool, swallow

    async def setup(env):
        env.pool = Pool()

    async def scenario(env):
        number = 41
        await asyncio.sleep(0)
        await env.pool.forgetful()
        return number

    async def careful(env):
        await env.pool.careful()

    async def waits_for_helper():
        queue = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(put_later(queue))
            await queue.get()

    async def put_later(queue):
        await asyncio.sleep(1)
        queue.put_nowait(1)

    async def fails():
        raise ValueError("no")

    async def hangs():
        await asyncio.Event().wait()

    async def differs():
        return random.random()

    async def leaves_thread():
        threading.Thread(target=threading.Event().wait, name="forever").start()

    async def with_fixture(pool, other): ...

    async def endless(env):
        for _ in range(400):
            await asyncio.sleep(0.001)

    def not_async(): ...
"""
INSTALLED = any(one.name == "rescind" for one in entry_points(group="pytest11"))
_TOKEN = re.compile(r"rc1-[\w-]+")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the scenarios."""
    write(tmp_path, pool_of_one=LIBRARY, cases=SCENARIOS)
    return tmp_path


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Find the pool's fault; return the folder and the token."""
    folder = tmp_path_factory.mktemp("replay")
    write(folder, pool_of_one=LIBRARY, cases=SCENARIOS)
    found = _TOKEN.search(rescind_check(folder, "cases.py", "--mode", "asyncio").out)
    assert found is not None
    return folder, found.group()


def test_a_fault_is_told_and_the_code_is_1(folder: Path) -> None:
    """The report names the library's line; nothing is written to standard error."""
    ended = rescind_check(folder, "cases.py", "--mode", "asyncio", "--judge", "follow-up")

    assert 1 == ended.code
    assert "BROKEN  pool_of_one.py:30 in Pool.forgetful: the next use hangs" in ended.out
    assert "rescind check replay rc1-" in ended.out
    assert "" == ended.err


def test_what_survives_ends_with_0(folder: Path) -> None:
    """All modes and judges, a thorough check, and tasks of its own left out."""
    ended = rescind_check(folder, "cases:careful", "--thorough", "--no-children", "--quiet")

    assert (0, "") == (ended.code, ended.err)
    assert "clean" in ended.out


def test_hint_alone_is_a_line_and_a_whole_one_if_asked_for(folder: Path) -> None:
    """Who kills a helper's task makes them wait rightly; that is no fault, and takes no page."""
    options = ("cases.py::waits_for_helper", "--mode", "asyncio", "--judge", "look")
    brief, full = rescind_check(folder, *options), rescind_check(folder, *options, "-v")

    assert (0, 0) == (brief.code, full.code)
    assert "hints -v tells" in brief.out
    assert "replay" not in brief.out
    assert "hints -v" not in full.out
    assert "rescind check replay rc1-" in full.out


def test_several_targets_are_checked_and_the_worst_decides(folder: Path) -> None:
    """One that cannot be checked is told, and the others are checked all the same, each once."""
    ended = rescind_check(
        folder, "cases.py::careful", "cases.py::fails", "cases:careful", "cases.py::careful"
    )
    assert 2 == ended.code
    assert 2 == ended.out.count("careful: clean")
    assert ended.out.endswith("\n3 targets: 1 not checked, 2 clean\n")
    assert "cases.py::fails, not canceled: the scenario raised ValueError('no')" in ended.err

    few = rescind_check(folder, "cases.py::careful", "--max-runs", "2")
    assert (2, True) == (few.code, "unresolved" in few.out)
    assert 1 == rescind_check(folder, "cases.py::fails", "cases.py", "--max-runs", "120").code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cases.py::fails"], "the scenario raised ValueError('no')"),
        (["cases.py::hangs"], "hung"),
        (["cases.py::differs"], "differs"),
        (["cases.py::leaves_thread", "--mode", "asyncio"], "leaves a thread behind"),
        (["cases.py::not_async"], "is not async"),
        (["cases.py::with_fixture"], "needs the arguments pool, other"),
        (["cases.py::nothing"], "has no 'nothing'"),
    ],
)
def test_a_scenario_that_cannot_be_checked_gets_one_clear_line(
    folder: Path, arguments: list[str], message: str
) -> None:
    """The code is 2, and no traceback is of ours."""
    ended = rescind_check(folder, *arguments)

    assert 2 == ended.code
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert "" == ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "there is no file"),
        (["nowhere:x"], "there is no module"),
        ([], "Missing argument"),
        (["cases.py", "--mode", "asincio"], "'asincio' is no mode; there are: asyncio, twice"),
        (["cases.py", "--judge", "jury"], "'jury' is no judge; there are: look, follow-up"),
        (["cases.py", "--budget", "soon"], "'soon' is no time; write it as 30s, 2m or 1h"),
        (["cases.py", "--timeout", "0"], "'0' is no time"),
        (["cases.py", "--max-runs", "0"], "0 is not in the range"),
        (["cases.py", "-n", "0"], "0 is not in the range"),
        (["cases.py", "--loop", "trio"], "'trio' is not one of 'asyncio', 'uvloop'"),
        (["cases.py", "--json", "nowhere/x.json"], "there is no directory 'nowhere'"),
        (["cases.py", "--html", "."], "it is a directory"),
        (["cases.py", "--regressions", "."], "it is a directory"),
        (["cases.py", "--regressions", "nowhere/x"], "there is no directory 'nowhere'"),
        (["replay"], "Missing argument 'TOKEN'"),
        (["replay", "nonsense"], "a replay token begins with 'rc1-'"),
        (["replay", "rc1-nonsense"], "this replay token cannot be read"),
    ],
)
def test_bad_input_gets_one_clear_line(
    folder: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The code is 2, and there is no traceback; nothing is imported or run for it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    code = main(["check", *arguments])

    out, err = capsys.readouterr()
    assert 2 == code
    assert message in err
    assert "Traceback" not in err
    assert "" == out
    assert "cases" not in sys.modules


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def x(:", "cannot import 'broken.py': invalid syntax (broken.py:1); correct it"),
        ("import no_such_thing", "it needs the module 'no_such_thing', which is not installed"),
        ("1/0", "cannot import 'broken.py': ZeroDivisionError: division by zero (broken.py:1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(folder: Path, source: str, message: str) -> None:
    """If its own code raised, its own traceback comes first, without our frames."""
    (folder / "broken.py").write_text(source, encoding="utf-8")
    ended = rescind_check(folder, "broken.py")

    assert 2 == ended.code
    assert message in ended.err
    assert "rescind/" not in ended.err.split("rescind: error")[0]


def test_ctrl_c_prints_what_was_found_so_far(folder: Path) -> None:
    """The code is 130; the report is complete as far as it goes."""
    write(
        folder,
        long="""
        import asyncio, sys
        from pool_of_one import Pool
        async def setup(env):
            env.pool = Pool()
        runs = 0
        async def scenario(env):
            global runs
            runs += 1
            if runs == 120:
                print("now", flush=True)
            await env.pool.forgetful()
            for _ in range(300):
                await asyncio.sleep(0.001)
    """,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "rescind", "check", "long.py", "--mode", "asyncio"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite in the background of a shell ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        assert "now\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=250)

    assert 130 == process.returncode
    assert "rescind: interrupted; this is what was found so far" in err
    assert "BROKEN  pool_of_one.py:30 in Pool.forgetful" in out
    assert "planned runs not made: it was interrupted" in out
    assert "Traceback" not in err


def test_regressions_are_remembered_and_forgotten(folder: Path) -> None:
    """The file holds the tokens of what broke; where nothing does any more, it is taken away."""
    options = ("cases.py", "--mode", "asyncio", "--judge", "follow-up", "--regressions", "r.json")
    assert 1 == rescind_check(folder, *options).code
    known = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert ["cases.py"] == list(known["tests"])

    assert "of the known failures of cases.py still fail" in rescind_check(folder, *options).err

    library = folder / "pool_of_one.py"
    library.write_text(library.read_text().replace("async def forgetful", "async def _old", 1))
    library.write_text(library.read_text().replace("async def careful", "async def forgetful", 1))
    assert 0 == rescind_check(folder, *options).code
    assert not (folder / "r.json").exists()


def test_replay_tells_what_happened(token: tuple[Path, str]) -> None:
    """What came before, the strike, what followed, and what the judge saw."""
    folder, text = token
    ended = rescind_check(folder, "replay", text)

    assert (1, "") == (ended.code, ended.err)
    for part in (
        "before     cases.py:9 in scenario",
        "canceled   parked, by asyncio",
        "at         pool_of_one.py:30 in Pool.forgetful",
        "await asyncio.sleep(0.01)",
        "it         ended canceled; not canceled, it returned 41",
        "BROKEN (follow-up): the next use hangs",
        "  expected returned 41",
    ):
        assert part in ended.out


def test_a_token_that_was_broken_into_lines_is_joined(token: tuple[Path, str]) -> None:
    """As words, and as one argument with line breaks."""
    folder, text = token

    assert 1 == rescind_check(folder, "replay", text[:30], text[30:50], text[50:]).code
    assert 1 == rescind_check(folder, "replay", f"{text[:30]}\n  {text[30:]}").code


def test_a_changed_program_is_told(token: tuple[Path, str], tmp_path: Path) -> None:
    """If the place is gone, the run cannot be made; if it is there, it is."""
    folder, text = token
    for file in folder.glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text() + "\n# more\n")
    said = rescind_check(tmp_path, "replay", text)
    assert "have changed since the token was made" in said.err

    (tmp_path / "pool_of_one.py").write_text("\n\n" + (folder / "pool_of_one.py").read_text())
    gone = rescind_check(tmp_path, "replay", text)
    assert 2 == gone.code
    assert "the run went another way, and was not canceled at" in gone.err


def test_pdb_stops_in_the_users_frame_at_the_cancel(token: tuple[Path, str]) -> None:
    """Its locals can be read; up and down go along the awaits; continue cancels it."""
    folder, text = token
    commands = "up\np number\ndown\np type(self).__name__\ncontinue\n"
    ended = rescind_check(folder, "replay", text, "--pdb", given=commands)

    assert 1 == ended.code
    assert "The task is parked in this frame" in ended.out
    assert "pool_of_one.py(30)forgetful()" in ended.out
    assert "cases.py(10)scenario()" in ended.out
    assert re.search(r"\(rescind pdb\) 41\n", ended.out)
    assert "'Pool'" in ended.out
    assert "BROKEN (follow-up)" in ended.out


def test_pdb_goes_on_to_where_the_cancellation_arrives(token: tuple[Path, str]) -> None:
    """``next`` sends it, and stops in the frame that gets it."""
    folder, text = token
    ended = rescind_check(folder, "replay", text, "--pdb", given="next\ncontinue\n")

    assert "CancelledError: rescind check" in ended.out
    assert "BROKEN (follow-up)" in ended.out


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_pdb_talks_to_a_terminal(token: tuple[Path, str]) -> None:
    """As a user sees it: the place, a prompt that answers, and then the story of the run."""
    folder, text = token
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "rescind", "check", "replay", text, "--pdb"],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb"},
    ) as process:
        os.close(theirs)
        seen = _read_until(ours, "(rescind pdb) ")
        assert "Stopped just before the cancellation is sent" in seen
        assert "-> await asyncio.sleep(0.01)" in seen
        os.write(ours, b"up\n")
        _read_until(ours, "(rescind pdb) ")
        os.write(ours, b"p number + 1\n")
        assert "42" in _read_until(ours, "(rescind pdb) ")
        os.write(ours, b"continue\n")
        told = _read_until(ours, None)
        assert 1 == process.wait(timeout=250)
    os.close(ours)

    assert "BROKEN (follow-up): the next use hangs" in told
    assert "Traceback" not in told


def _read_until(terminal: int, text: str | None) -> str:
    """Read what appears, up to and with ``text``; None: to the end."""
    seen = ""
    while text is None or text not in seen:
        try:
            got = os.read(terminal, 1 << 16)
        except OSError:  # what Linux says when the other side has gone
            got = b""
        if not got:
            assert text is None, f"no {text!r} in {seen!r}"
            break
        seen += got.decode(errors="replace")
    return seen


@pytest.mark.skipif(not INSTALLED, reason="pytest does not know the plugin")
def test_token_of_a_test_with_fixtures_is_handed_to_pytest(folder: Path) -> None:
    """With the debugger as well; its code is 1 while it breaks, 0 if not, 2 if there is no test."""
    write(
        folder,
        test_swallow="""
        import pytest
        from pool_of_one import swallow
        @pytest.fixture
        def answer():
            return 42
        @pytest.mark.cancel_everywhere(level="quick")
        async def test_it(answer):
            await swallow()
        """,
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "test_swallow.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    found = _TOKEN.search(done.stdout)
    assert found is not None, done.stdout

    again = rescind_check(folder, "replay", found.group(), "--pdb", given="up\np answer\nc\n")
    assert 1 == again.code, again.err
    assert "(rescind pdb) 42\n" in again.out
    assert "the cancellation was swallowed" in again.out

    (folder / "test_swallow.py").write_text(
        (folder / "test_swallow.py").read_text().replace("test_it", "test_that")
    )
    assert 2 == rescind_check(folder, "replay", found.group()).code


def test_quitting_the_debugger_ends_it(token: tuple[Path, str]) -> None:
    """So does the end of the input."""
    folder, text = token

    assert 130 == rescind_check(folder, "replay", text, "--pdb", given="q\n").code
    assert 130 == rescind_check(folder, "replay", text, "--pdb").code


def test_verbose_tells_of_whole_stacks(token: tuple[Path, str]) -> None:
    """Those of the standard library too."""
    folder, text = token

    assert "asyncio/tasks.py" in rescind_check(folder, "replay", text, "-v").out


def test_help_tells_of_each_option(folder: Path) -> None:
    """Both commands have their own."""
    ours = rescind_check(folder, "--help").out
    for word in ("--mode", "--judge", "--regressions", "--no-children", "rescind check replay"):
        assert word in ours
    assert "--pdb" in rescind_check(folder, "replay", "--help").out


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_progress_is_shown_on_a_terminal_alone(folder: Path) -> None:
    """On standard error: the report can be piped on."""
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "rescind", "check", "cases.py", "--max-runs", "200"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
        timeout=250,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode(errors="replace")
    os.close(ours)

    assert "runs" in shown
    assert "BROKEN" in done.stdout
    assert "\x1b" not in done.stdout


def test_progress_is_drawn_between_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """By no thread of its own, whose objects would count with what runs leave."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    before = threading.active_count()
    with _progress(quiet=False) as show:
        assert show is not None
        first = screen.getvalue()
        assert "first without a cancellation" in first
        assert before == threading.active_count()
        now = itertools.count(monotonic() + 1)
        monkeypatch.setattr("rescind.cli.check.monotonic", lambda: next(now))
        show(Step(7, 30, "parked at app.py:3 in f", 1))
        assert "7/30 runs" in screen.getvalue()[len(first) :]
        assert "1 symptom" in screen.getvalue()


def test_nothing_is_drawn_if_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where standard error is no terminal, nor when it is asked to be quiet."""
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with _progress(quiet=False) as show:
        assert show is None
    monkeypatch.setattr(screen, "isatty", lambda: True)
    with _progress(quiet=True) as show:
        assert show is None
    assert "" == screen.getvalue()
