"""What `setup.py` compiles is the source, line by line; and a build that fails leaves no half."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.forms.kit import ROOT


def load() -> Any:
    """Import setup.py, which builds nothing by that."""
    spec = importlib.util.spec_from_file_location("rescind_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load()

DECLARED = """
cdef class Cell(Waker):
    cdef public int x

cdef class Task(Cell):
    pass
"""


@pytest.mark.parametrize(
    ("line", "compiled"),
    [
        ("class Cell(Waker, Generic[T]):", "class Cell(Waker):"),
        ("class Cell(Generic[T]):", "class Cell:"),
        ("class Task(Cell[Outcome[T]], IntoFuture[T], X):", "class Task(Cell, IntoFuture, X):"),
        ("class Task(Cell[dict[str, int]]):  # why", "class Task(Cell):  # why"),
        ("class Task(Cell):", "class Task(Cell):"),
        ("class Other(Cell[T], Generic[T]):", "class Other(Cell[T], Generic[T]):"),
        ("    class Cell(Generic[T]):", "    class Cell(Generic[T]):"),
    ],
)
def test_declared_classes_lose_the_parameters_of_their_bases(line: str, compiled: str) -> None:
    """Those that the declarations name, at the top of the module; others keep theirs."""
    assert build.compiled_source(f"{line}\n", DECLARED) == f"{compiled}\n"


@pytest.mark.parametrize(
    ("line", "compiled"),
    [
        ("x = y  #: compiled: x = z", "x = z"),
        ("    return super().f()  #: compiled: return Cell.f(self)", "    return Cell.f(self)"),
        ("    #: compiled: g = classmethod(GenericAlias)", "    g = classmethod(GenericAlias)"),
        ("    @final  #: compiled: # final", "    # final"),
        ("x = y  # compiled: no", "x = y  # compiled: no"),
        ("x = y  #: what it is", "x = y  #: what it is"),
    ],
)
def test_a_directive_replaces_its_line(line: str, compiled: str) -> None:
    """By the code that it gives, at the indentation of the line; other comments stay."""
    assert build.compiled_source(f"{line}\n", DECLARED) == f"{compiled}\n"


@pytest.mark.parametrize(
    ("line", "compiled"),
    [
        ("from .poll import Future, take, woken", "from .poll import Future, woken"),
        ("from .poll import take", "pass"),
        (
            "from .poll import (\n    Future,\n    take,\n)",
            "from .poll import (\n    Future,\n    \n)",
        ),
        ("from contextvars import Context as take", "pass"),
        ("take = 3", "take = 3"),
        ("    from .poll import take", "    from .poll import take"),
    ],
)
def test_what_is_cimported_is_not_imported(line: str, compiled: str) -> None:
    """A function that the declarations have from C would be assigned to; a class may stay."""
    declared = "from rescind._core.poll cimport Future, take\n"
    assert build.compiled_source(f"{line}\n", declared) == f"{compiled}\n"


def test_places_in_tracebacks_stay_true() -> None:
    """What is compiled of each module has its lines where they were, as deep as they were."""
    modules = [(path, path.with_suffix(".py")) for path in (ROOT / "src").rglob("*.pxd")]
    plain = [(pxd, py) for pxd, py in modules if py.exists()]
    assert plain

    for pxd, py in plain:
        before = py.read_text().splitlines()
        after = build.compiled_source(py.read_text(), pxd.read_text()).splitlines()
        assert len(before) == len(after), py
        moved = [
            number
            for number, (one, other) in enumerate(zip(before, after, strict=True), 1)
            if len(one) - len(one.lstrip()) != len(other) - len(other.lstrip())
        ]
        assert moved == [], py


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run setup.py in this project."""
    return subprocess.run(
        [sys.executable, "setup.py", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_build_of_an_unknown_form_is_refused() -> None:
    """It says what may be asked for, and what was."""
    done = run("--version", RESCIND_BUILD="nonsense")

    assert done.returncode == 1
    assert done.stderr == "RESCIND_BUILD must be 'compiled' or 'pure', not 'nonsense'\n"
