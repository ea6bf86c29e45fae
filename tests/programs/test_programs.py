"""A program that knows asyncio alone gives the same under rescind as under Python."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent

#: They are about the end of a process, so that each has one of its own.
ALONE: Final = (
    "cancels_itself",
    "debug",
    "exit_in_a_task",
    "exits",
    "exits_with_words",
    "fails",
    "group_fails",
    "interrupted",
)
TOGETHER: Final = tuple(
    path.stem for path in sorted((HERE / "asyncio_only").glob("*.py")) if path.stem not in ALONE
)
#: Each way, and the one that it is compared with.
COMPARED: Final = {
    "rescind run": "python",
    "rescind.run": "python",
    "rescind.run on uvloop": "asyncio on uvloop",
}


@dataclass(frozen=True)
class Ended:
    """What a program has printed, and its exit code."""

    out: str
    err: str
    code: int


def _path(name: str) -> str:
    return str(HERE / "asyncio_only" / f"{name}.py")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make a certificate for the programs, if there is openssl."""
    folder = tmp_path_factory.mktemp("certificate")
    openssl = shutil.which("openssl")
    if openssl is not None:
        options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        subprocess.run([openssl, *options, *names, *files], check=True, capture_output=True)
    more = {"NO_COLOR": "1", "PYTHONWARNINGS": "default", "CERTIFICATE": str(folder)}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return os.environ | more | {"PYTHONPATH": path}


@pytest.fixture(scope="session")
def results(environment: dict[str, str]) -> Any:
    """Return what runs all programs in one process, once per way."""

    @cache
    def run(way: str) -> dict[str, dict[str, Any]]:
        command = [sys.executable, "-m", "tests.programs.batch", way, *map(_path, TOGETHER)]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(zip(TOGETHER, json.loads(done.stdout), strict=True))

    return run


def _plain(text: str) -> str:
    """Leave out of tracebacks what is not the program's, and what differs from run to run."""
    text = re.sub(r"0x[0-9a-f]+", "0x…", text)
    text = re.sub(r'(?m)^([ |]*)  File "(?!.*asyncio_only)[^\n]*\n(?:[ |]*    [^\n]*\n)*', "", text)
    text = re.sub(r'(?m)^[ |]*  File "[^\n]*, in <module>\n(?:[ |]*    [^\n]*\n)*', "", text)
    return text


@pytest.mark.parametrize("way", COMPARED)
@pytest.mark.parametrize("name", TOGETHER)
def test_a_program_prints_the_same(results: Any, name: str, way: str) -> None:
    """On both streams: what asyncio reports of what nobody asked for, too."""
    if "uvloop" in way:
        pytest.importorskip("uvloop")
    if name == "tls" and shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")

    expected, got = results(COMPARED[way])[name], results(way)[name]
    if "uvloop" in way and expected["failed"]:
        pytest.skip("it fails on uvloop under asyncio, too: eager tasks do, on Python 3.13.0")

    assert (None, expected["out"]) == (expected["failed"], got["out"])
    assert _plain(expected["err"]) == _plain(got["err"])
    assert got["failed"] is None
    assert expected["out"] + expected["err"]


# -- how a process ends ----------------------------------------------------------------------------

_CLI: Final = ["-m", "rescind", "run"]
_LIBRARY: Final = [
    "-c",
    "import runpy, sys, rescind; rescind.run(runpy.run_path(sys.argv[1])['main']())",
]

#: What is said in other words, and with which code the process ends, with the reason.
DIFFERENT: Final[dict[tuple[str, str], tuple[str, int, str]]] = {
    ("interrupted", "rescind run"): (
        "rescind: Ctrl-C: canceling main; its cleanup may take up to 30 s.",
        128 + signal.SIGINT,
        "the command says what it waits for, and ends as shells tell of a signal",
    ),
    ("interrupted", "rescind.run"): (
        "KeyboardInterrupt",
        -signal.SIGINT,
        "the traceback has no CancelledError before: what was raised inside was handled",
    ),
    ("cancels_itself", "rescind run"): (
        "rescind: main was canceled: foreign: no more",
        1,
        "the command says so in one line",
    ),
    ("cancels_itself", "rescind.run"): (
        "rescind._core.errors.TaskCanceled: ",
        1,
        "main was canceled, and who ran it was not (R17)",
    ),
}


@pytest.fixture(scope="session")
def alone(environment: dict[str, str]) -> Any:
    """Return what runs a program in a process of its own, once per way."""
    options = {"python": [], "rescind run": _CLI, "rescind.run": _LIBRARY}

    @cache
    def run(name: str, way: str) -> Ended:
        done = subprocess.run(
            [sys.executable, *options[way], _path(name)],
            env=environment | ({"PYTHONASYNCIODEBUG": "1"} if name == "debug" else {}),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_default_signals,  # it takes no lock
        )
        return Ended(done.stdout, _plain(done.stderr), done.returncode)

    return run


def _default_signals() -> None:
    # A suite that runs in the background of a shell ignores SIGINT, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("way", ["rescind run", "rescind.run"])
@pytest.mark.parametrize("name", ALONE)
def test_a_process_ends_the_same(alone: Any, name: str, way: str) -> None:
    """With the same words and the same code; where not, as is written here, with the reason."""
    expected, got = alone(name, "python"), alone(name, way)

    assert expected.out == got.out
    if (name, way) not in DIFFERENT:
        assert (expected.err, expected.code) == (got.err, got.code)
        return
    words, code, reason = DIFFERENT[name, way]
    assert (expected.err, expected.code) != (got.err, got.code), f"no difference: {reason}"
    assert words in got.err
    assert code == got.code


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_what_differs_between_loops_is_not_held_against_rescind(results: Any) -> None:
    """Nearly all programs print the same on uvloop as on asyncio, so the comparison is one."""
    on_both = [
        name
        for name in TOGETHER
        if results("python")[name]["out"] == results("asyncio on uvloop")[name]["out"]
    ]
    assert len(TOGETHER) - len(on_both) <= 2
