"""The facade has every public name, and imports what not every program needs when it is asked."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

import rescind
from rescind._lazy import lazily

SOURCE = Path(rescind.__file__).read_text(encoding="utf-8")

#: What a program that awaits a future has no use for. What asyncio itself imports is not here.
NOT_NEEDED = (
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "json",
    "multiprocessing",
    "pathlib",
    "pickle",
    "platform",
    "queue",
    "random",
    "rescind._report",
    "rescind._warn",
    "rescind.blocking",
    "rescind.check",
    "rescind.cli",
    "rescind.runtime",
    "rescind.sync",
    "rescind.tasks.group",
    "rescind.testing",
    "rescind.top",
    "rescind.trace",
    "tracemalloc",
    "trio",
    "uvloop",
)


def python(code: str) -> str:
    """Run a program in an interpreter of its own; return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def names_for_the_type_checker() -> Iterator[tuple[str, str]]:
    """Read off the source from where a type checker believes that each late name comes."""
    for node in ast.parse(SOURCE).body:
        if isinstance(node, ast.If):
            for found in cast("list[ast.ImportFrom]", node.body):
                yield from ((alias.name, str(found.module)) for alias in found.names)


def names_for_the_interpreter() -> Iterator[tuple[str, str]]:
    """Read off the source from where each late name is imported when it is asked for."""
    for node in ast.parse(SOURCE).body:
        if isinstance(node, ast.If):
            (assigned,) = node.orelse
            call = cast("ast.Call", cast("ast.Assign", assigned).value)
            table = cast("dict[str, tuple[str, ...]]", ast.literal_eval(call.args[1]))
            yield from ((name, home) for home, names in table.items() for name in names)


@pytest.mark.parametrize("name", rescind.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Whatever `__all__` promises can be had."""
    assert getattr(rescind, name) is not None


def test_type_checkers_and_the_interpreter_agree() -> None:
    """A late name comes from the same module for both."""
    expected = sorted(names_for_the_type_checker())

    assert sorted(names_for_the_interpreter()) == expected
    assert expected


def test_all_is_complete_and_so_is_dir() -> None:
    """What is imported at once or late is public, and is listed before anybody has asked for it."""
    at_once = [
        alias.name
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rescind.")
        for alias in node.names
        if alias.name != "lazily"
    ]
    late = [name for name, _ in names_for_the_type_checker()]

    assert sorted(rescind.__all__) == sorted(at_once + late)
    listed = python("import rescind; print(*dir(rescind))").split()
    assert set(rescind.__all__) <= set(listed)
    assert "trace" in listed
    assert listed == sorted(listed)


def test_a_late_name_is_kept() -> None:
    """The second access is an ordinary one, and finds the same thing as the module it is from."""
    code = """
import rescind, sys
before = "task_group" in vars(rescind)
found = rescind.task_group
kept = vars(rescind)["task_group"]
print(before, kept is found, found is sys.modules["rescind.tasks.group"].task_group)
"""
    assert python(code) == "False True True\n"


def test_a_subpackage_is_there_without_an_import_of_it() -> None:
    """``rescind.trace`` can be named after ``import rescind`` alone; and so in a star import."""
    code = "import rescind; print(rescind.trace.__name__)\nfrom rescind import *\nprint(explain)"
    assert python(code).startswith("rescind.trace\n<function explain")


def test_an_unknown_name_is_an_attribute_error() -> None:
    """It reads as the one of any module, and has the name, from which Python suggests another."""
    with pytest.raises(AttributeError, match="module 'rescind' has no attribute 'rase'") as caught:
        rescind.rase  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018

    assert (caught.value.name, caught.value.obj) == ("rase", rescind)
    with pytest.raises(ImportError, match="cannot import name 'rase' from 'rescind'"):
        exec("from rescind import rase")


def test_a_home_that_lacks_the_name_says_so() -> None:
    """A table that is wrong is not taken for a name that does not exist."""
    attribute, _ = lazily("rescind", {"rescind._version": ("version",)})

    with pytest.raises(AttributeError, match=r"module 'rescind\._version' has no attribute"):
        attribute("version")


def test_what_is_not_needed_is_not_imported() -> None:
    """``import rescind`` brings what awaiting futures needs, beyond what asyncio itself brings."""
    code = f"""
import asyncio, sys
before = set(sys.modules)
import rescind
print(*sorted((set(sys.modules) - before) & set({NOT_NEEDED!r})))
"""
    assert python(code) == "\n"


def test_futures_are_awaited_under_asyncio_without_a_runtime() -> None:
    """Tasks and futures of asyncio get along with ours although no runtime was ever imported."""
    code = """
import asyncio, sys
import rescind

async def main():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 1)
    print(await rescind.race(rescind.never(), future))

asyncio.run(main())
print("rescind.runtime" in sys.modules)
"""
    assert python(code) == "1\nFalse\n"
