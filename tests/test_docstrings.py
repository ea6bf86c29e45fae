"""What a docstring shows is what happens: every example in the package runs."""

import doctest
import importlib
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import rescind
from rescind.testing import run_virtual

#: Modules that end the process that imports them.
NOT_IMPORTED = frozenset({"rescind.__main__"})

#: Public callables whose docstrings must hold an example that runs.
SHOWN = (
    rescind.Runtime,
    rescind.join,
    rescind.race,
    rescind.run,
    rescind.timeout,
    run_virtual,
)


def module_names() -> list[str]:
    """Name every module of the package."""
    found = pkgutil.walk_packages(rescind.__path__, "rescind.")
    return ["rescind", *(info.name for info in found if info.name not in NOT_IMPORTED)]


def examples_in(name: str) -> Iterator[doctest.DocTest]:
    """Find the docstrings of a module that hold examples, without any of the module's globals.

    An example imports what it uses, as its reader has to.
    """
    module = importlib.import_module(name)
    for found in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs={}):
        if found.examples:
            yield found


EXAMPLES = [found for name in module_names() for found in examples_in(name)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.name))
def test_the_example_prints_what_it_shows(example: doctest.DocTest) -> None:
    """The example runs, by itself, and each of its lines prints what stands below it."""
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.REPORT_NDIFF)

    runner.run(example, out=report.append)

    assert "" == "".join(report)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: str(shown.__qualname__))
def test_what_is_met_first_has_an_example(shown: type | Callable[..., object]) -> None:
    """The callables with which one begins show how they are called: the finder sees them."""
    name = f"{shown.__module__}.{shown.__qualname__}"

    assert [name] == [found.name for found in EXAMPLES if found.name == name]
