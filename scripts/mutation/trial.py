"""One mutant: a copy of the source with the fault in it, and those who are to notice.

*The order.* First the killers that the mutant names; then all explorations, model checks and laws,
which are the quicker the earlier; and if none of them fails, the ordinary tests of what was
changed. The first failure is the end. All are given the same seed, so that a second run says the
same.

*Hangs.* A fault that drops a wake-up may make a program wait for ever. Each test has a time-out,
and so has the process: what does not end is killed, and counts as noticed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from scripts.mutation.child import BROKEN, KILLED, SURVIVED
from tests.mutants.mutant import Mutant

__all__ = ["ROOT", "Trial", "kind", "prepared", "tried"]

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("child.py")

#: Who looks after everything.
WIDE = ("tests/explorations", "tests/models", "tests/laws")
#: The ordinary tests, by the first part of the file's path.
ORDINARY = {
    "_core": ("tests/core", "tests/combinators", "tests/tasks"),
    "combinators": ("tests/combinators", "tests/conformance"),
    "tasks": ("tests/tasks", "tests/conformance"),
    "sync": ("tests/sync", "tests/conformance"),
    "time.py": ("tests/time", "tests/conformance"),
}
#: Seconds for one test, and for all of a stage; longer if nobody is expected to fail, so that all
#: of them are run, on a machine that has other work too.
_TEST, _STAGE = 20, 400
#: What a copy does without.
_LEFT_OUT = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "*.egg-info")


@dataclass(frozen=True)
class Trial:
    """What came of one mutant.

    Attributes:
        mutant: which.
        verdict: killed, survived or broken: then it could not even be tried.
        by: the test that failed, as pytest calls it; empty if none did.
        message: what it said.
        named: was it one of those that the mutant names?
        hung: was it the time that ran out?
        seconds: how long it took.
    """

    mutant: Mutant
    verdict: str
    by: str
    message: str
    named: bool
    hung: bool
    seconds: float


def kind(node: str) -> str:
    """Return what sort of check a test is: a law, a model check, an exploration, or a test."""
    for place, name in (("laws", "law"), ("models", "model"), ("explorations", "lab")):
        if node.startswith(f"tests/{place}/"):
            return name
    return "test"


def prepared(directory: Path) -> Path:
    """Copy the source, compiled to bytecode, so that each mutant compiles its own file only."""
    source = directory / "src"
    shutil.copytree(ROOT / "src", source, ignore=_LEFT_OUT)
    command = [sys.executable, "-m", "compileall", "-q", str(source)]
    subprocess.run(command, check=True, env=_environment(directory))
    return source


def tried(mutant: Mutant, pristine: Path, nodes: tuple[str, ...], *, depth: int = 3) -> Trial:
    """Try one mutant.

    Args:
        mutant: which.
        pristine: what `prepared` returned.
        nodes: its killers, as pytest calls them.
        depth: whom to ask if its killers do not notice: 1: the explorations; 2: the models and
            laws, too; 3: and the ordinary tests.
    """
    begun = monotonic()
    with TemporaryDirectory(prefix="mutant-") as name:
        copy = Path(name) / "src"
        shutil.copytree(pristine, copy)
        (copy / "rescind" / mutant.file).write_text(mutant.applied(pristine), encoding="utf-8")
        stages = [nodes] if nodes else []
        stages += [WIDE[:1], WIDE[1:], _ordinary(mutant)][:depth]
        told: dict[str, str] = {}
        hung = False
        for stage in stages:
            told, hung = _run(copy, stage, _STAGE * (5 if mutant.survives else 1))
            if told["verdict"] != SURVIVED:
                break
        node = told["node"]
        named = any(node == one or node.startswith(f"{one}[") for one in nodes)
        hung = hung or "Timeout" in told["message"][:40]
        spent = monotonic() - begun
        return Trial(mutant, told["verdict"], node, told["message"], named, hung, spent)


def _ordinary(mutant: Mutant) -> tuple[str, ...]:
    first = mutant.file.partition("/")[0]
    return tuple(one for one in ORDINARY.get(first, ("tests",)) if (ROOT / one).exists())


def _run(copy: Path, nodes: tuple[str, ...], within: float) -> tuple[dict[str, str], bool]:
    """Run these tests against a copy, up to the first that fails, within so many seconds."""
    result = copy.parent / "result.json"
    result.unlink(missing_ok=True)
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
    options += [f"--timeout={_TEST}", "--tb=short", f"--rootdir={ROOT}", *nodes]
    command = [sys.executable, str(CHILD), str(copy), str(result), *options]
    with (copy.parent / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(copy.parent),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return {"verdict": KILLED, "node": nodes[0], "message": "Timeout of the process"}, True
    if result.exists():
        told: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))
        return told, False
    # It went down with its process: by a signal, or by running out of the stack.
    last = (copy.parent / "log.txt").read_text(encoding="utf-8", errors="replace")[-300:]
    message = f"the process ended with {process.returncode}: {' '.join(last.split())}"
    return {"verdict": BROKEN, "node": "", "message": message}, False


def _environment(directory: Path) -> dict[str, str]:
    """Return what a run sees: the copy first, the interpreted form, the same hashes each time."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {
        **environment,
        "PYTHONPATH": f"{directory / 'src'}{os.pathsep}{ROOT}",
        "PYTHONHASHSEED": "0",
        "RESCIND_PURE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(directory / "hypothesis"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
