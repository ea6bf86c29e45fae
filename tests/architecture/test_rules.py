"""Each rule reports a tiny tree that breaks it, and is content with one that does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import declared, rules

type_checking = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


def tree(root: Path, files: dict[str, str]) -> Path:
    """Write a package with these files, and give its directory."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def lines(count: int, indent: str = "") -> str:
    """Make so many lines that do nothing."""
    return f"{indent}pass\n" * count


def slotted(*names: str) -> str:
    """Make a class with these slots."""
    return f"class Sleep:\n    __slots__ = {names!r}\n"


def sleep(*declarations: str) -> str:
    """Declare a class with these attributes."""
    return "\n    ".join(("cdef class Sleep:", *declarations)) + "\n"


BROKEN = [
    pytest.param(
        rules.modules_have_a_layer,
        {"_core/novelty.py": ""},
        "_core/novelty.py:1: '_core.novelty' has no layer: add \"_core.novelty\"",
        id="a module of the core without a layer",
    ),
    pytest.param(
        rules.modules_have_a_layer,
        {"novelty/__init__.py": ""},
        "'novelty' has no layer",
        id="a package without a layer",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_core/poll.py": "from rescind._core.task import Task\n", "_core/task.py": ""},
        "_core/poll.py:1: '_core.poll' (layer 0) imports '_core.task' (layer 2)",
        id="an import that points up",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_core/poll.py": "from . import task\n", "_core/task.py": ""},
        "imports '_core.task'",
        id="a relative import that points up",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_host/asyncio.py": "from ..runtime import Runtime\n", "runtime.py": ""},
        "'_host.asyncio' (layer 4) imports 'runtime' (layer 5)",
        id="a relative import from the parent that points up",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_host/asyncio.py": "def f():\n    import rescind.runtime\n", "runtime.py": ""},
        "_host/asyncio.py:2: '_host.asyncio' (layer 4) imports 'runtime' (layer 5)",
        id="an import in a function that points up",
    ),
    pytest.param(
        rules.imports_point_down,
        {"runtime.py": "import rescind\n", "__init__.py": ""},
        "'runtime' (layer 5) imports 'rescind' (layer 6)",
        id="an import of the facade from below",
    ),
    pytest.param(
        rules.imports_make_no_circle,
        {
            "_core/cell.py": "from rescind._core import task\n",
            "_core/task.py": "from rescind._core.scope import Scope\n",
            "_core/scope.py": "def f():\n    from rescind._core.cell import Cell\n",
        },
        "imports make a circle: _core.cell -> _core.task -> _core.scope -> _core.cell",
        id="a circle within a layer",
    ),
    pytest.param(
        rules.core_is_self_contained,
        {"_core/poll.py": "import attrs\n"},
        "the core imports 'attrs'",
        id="a third-party package in the core",
    ),
    pytest.param(
        rules.core_is_self_contained,
        {"_core/poll.py": "import asyncio\n"},
        "the core knows no event loop",
        id="asyncio in the core",
    ),
    pytest.param(
        rules.core_is_self_contained,
        {"_core/poll.py": "from asyncio import CancelledError, Future\n"},
        "the core knows no event loop",
        id="more of asyncio than CancelledError in the core",
    ),
    pytest.param(
        rules.core_is_self_contained,
        {"_core/poll.py": f"{type_checking}from rescind.runtime import Runtime\n"},
        "_core/poll.py:3: the core imports 'rescind.runtime', outside itself",
        id="a type from outside in the core",
    ),
    pytest.param(
        rules.third_party_stays_where_it_is_allowed,
        {"sync/mutex.py": "import click\n"},
        "sync/mutex.py:1: 'click' may not be imported here",
        id="a third-party package outside its part",
    ),
    pytest.param(
        rules.third_party_stays_where_it_is_allowed,
        {"_host/asyncio.py": "import uvloop\n"},
        "'uvloop' may be missing",
        id="an optional package imported without a guard",
    ),
    pytest.param(
        rules.modules_fit_in_the_head,
        {"time.py": lines(rules.MAX_MODULE_LINES + 1)},
        "421 lines; split it by role",
        id="a module that is too long",
    ),
    pytest.param(
        rules.functions_fit_on_a_screen,
        {"time.py": "class C:\n    async def f(self):\n" + lines(80, "        ")},
        "time.py:2: f() has 81 lines",
        id="a function that is too long",
    ),
    pytest.param(
        rules.facades_have_no_logic,
        {"sync/__init__.py": "def helper():\n    return 1\n"},
        "sync/__init__.py:1: a facade only re-exports",
        id="a function in a facade",
    ),
    pytest.param(
        rules.facades_have_no_logic,
        {"lowlevel.py": "limit = 128\n"},
        "lowlevel.py:1: a facade only re-exports",
        id="a variable in a facade that is a module",
    ),
    pytest.param(
        rules.facades_have_no_logic,
        {"__init__.py": f"{type_checking}from rescind import time\nelse:\n    limit = 128\n"},
        "__init__.py:2: a facade only re-exports",
        id="a variable that the type checker of a facade does not see",
    ),
    pytest.param(
        rules.modules_say_what_they_are,
        {"_core/poll.py": "PENDING = 1\n"},
        "_core/poll.py:1: no module docstring",
        id="a module without a docstring",
    ),
    pytest.param(
        rules.only_the_command_line_prints,
        {"time.py": "def f():\n    print(1)\n"},
        "time.py:2: a library does not print",
        id="a print in the library",
    ),
    pytest.param(
        declared.declarations_have_a_module,
        {"time.pxd": "cdef class Sleep:\n    pass\n"},
        "time.pxd:1: there is no 'time' to compile",
        id="a declaration whose module is gone",
    ),
    pytest.param(
        declared.declarations_have_a_module,
        {"_core/_native.pyx": "cdef int one = 1\n"},
        "_core/_native.pxd:1: what has no .pxd beside it is not compiled",
        id="a module of Cython's own without a declaration",
    ),
    pytest.param(
        declared.declared_classes_are_defined,
        {"time.py": "class Nap:\n    pass\n", "time.pxd": "\ncdef class Sleep:\n    pass\n"},
        "time.pxd:2: 'time' has no class Sleep",
        id="a declaration whose class is gone",
    ),
    pytest.param(
        declared.declared_classes_are_defined,
        {
            "time.py": "class Sleep(Future[None], Generic[T]):\n    pass\n",
            "time.pxd": "cdef class Sleep:\n    pass\n",
            "future.py": "class Future:\n    pass\n",
            "future.pxd": "cdef class Future:\n    pass\n",
        },
        "time.py:1: of what is declared, Sleep derives from Future, and in its .pxd from nothing",
        id="a declaration without the base",
    ),
    pytest.param(
        declared.slots_are_declared,
        {"time.py": slotted("_at", "_timer"), "time.pxd": sleep("cdef public double _at")},
        "time.py:1: Sleep._timer is in __slots__, but not in the .pxd",
        id="a slot that is not declared",
    ),
    pytest.param(
        declared.slots_are_declared,
        {
            "time.py": slotted("_at"),
            "time.pxd": sleep("cdef double _at", "cdef unsigned long long round  # of turns"),
        },
        "time.pxd:3: Sleep.round is not in __slots__",
        id="a declaration that is no slot",
    ),
    pytest.param(
        declared.assigned_attributes_are_declared,
        {
            "time.py": "class Sleep:\n    def poll(self):\n        self.woken = True\n",
            "time.pxd": "cdef class Sleep:\n    pass\n",
        },
        "time.py:3: Sleep.woken is not declared in the .pxd",
        id="an attribute that is not declared",
    ),
    pytest.param(
        declared.assigned_attributes_are_declared,
        {
            "time.py": "class Sleep:\n    def __init__(self):\n        self.at = 1\n",
            "time.pxd": sleep("cdef object __weakref__", "cdef double at", "cdef bint woken"),
        },
        "time.pxd:4: Sleep has no attribute woken",
        id="a declaration of no attribute",
    ),
    pytest.param(
        declared.assigned_attributes_are_declared,
        {
            "time.py": "@dataclass(frozen=True)\nclass Sleep:\n    at: int\n    woken: bool\n",
            "time.pxd": sleep("cdef readonly int at"),
        },
        "time.py:2: Sleep.woken is not declared in the .pxd",
        id="a field that is not declared",
    ),
    pytest.param(
        declared.directives_are_compiled,
        {"time.py": '"""Doc."""\nx = 1  #: compiled: x = 2\n'},
        "time.py:2: this module is not compiled",
        id="a directive that nobody reads",
    ),
    pytest.param(
        declared.the_switch_comes_first,
        {"_core/form.py": "", "_core/form.pxd": ""},
        "_core/form.py:1: it is imported before _core.form has decided",
        id="a switch that is compiled",
    ),
    pytest.param(
        declared.the_switch_comes_first,
        {"_core/__init__.py": "from .poll import Future\nfrom .form import x\n", "time.pxd": ""},
        "_core/__init__.py:1: its first import is not of _core.form",
        id="a core that is loaded before the switch",
    ),
    pytest.param(
        declared.the_switch_comes_first,
        {"__init__.py": "from rescind import time\nimport rescind._core\n", "time.pxd": ""},
        "__init__.py:1: its first import is not of _core",
        id="a facade that loads something before the core",
    ),
    pytest.param(
        declared.the_switch_comes_first,
        {"_core/form.py": "def select():\n    from . import poll\n", "time.pxd": ""},
        "_core/form.py:2: it decides before anything of the package is imported",
        id="a switch that imports what it switches",
    ),
]


@pytest.mark.parametrize(("rule", "files", "finding"), BROKEN)
def test_a_broken_tree_is_reported(
    rule: Callable[[Path], list[str]], files: dict[str, str], finding: str, tmp_path: Path
) -> None:
    """The rule finds exactly the one fault, and says where it is."""
    findings = rule(tree(tmp_path, files))

    assert len(findings) == 1
    assert finding in findings[0]


FINE = [
    pytest.param(
        rules.modules_have_a_layer,
        {"sync/novelty.py": "", "sync/__init__.py": "", "__init__.py": ""},
        id="a new file in a package that has a layer",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_core/task.py": "from .poll import Future\nfrom . import poll\n", "_core/poll.py": ""},
        id="an import that points down",
    ),
    pytest.param(
        rules.imports_point_down,
        {"_core/poll.py": f"{type_checking}from .task import Task\n", "_core/task.py": ""},
        id="a type from above",
    ),
    pytest.param(
        rules.imports_make_no_circle,
        {
            "_core/cell.py": "from .task import Task\n",
            "_core/task.py": f"{type_checking}from .cell import Cell\n",
        },
        id="a circle that only the type checker sees",
    ),
    pytest.param(
        rules.core_is_self_contained,
        {
            "_core/errors.py": "import heapq\nfrom asyncio import CancelledError\n",
            "_core/poll.py": "from asyncio.exceptions import CancelledError\n",
        },
        id="the base class of Cancellation in the core",
    ),
    pytest.param(
        rules.third_party_stays_where_it_is_allowed,
        {
            "_host/asyncio.py": "def f():\n    import uvloop\n",
            "_host/identity.py": "try:\n    import anyio\nexcept ImportError:\n    pass\n",
            "cli/run.py": "import click\n",
        },
        id="third-party packages where they are allowed",
    ),
    pytest.param(
        rules.modules_fit_in_the_head,
        {"time.py": lines(rules.MAX_MODULE_LINES)},
        id="a module of the greatest length",
    ),
    pytest.param(
        rules.functions_fit_on_a_screen,
        {"time.py": 'def f():\n    """Say\n\n    much.\n    """\n' + lines(79, "    ")},
        id="a function of the greatest length with a docstring",
    ),
    pytest.param(
        rules.facades_have_no_logic,
        {"__init__.py": '"""Doc."""\nfrom rescind import time\n__all__ = ["time"]\n'},
        id="a facade that re-exports",
    ),
    pytest.param(
        rules.facades_have_no_logic,
        {
            "__init__.py": f"{type_checking}from rescind import time\n"
            "else:\n    __getattr__, __dir__ = lazily(__name__, {})\n"
        },
        id="a facade that imports what it is asked for",
    ),
    pytest.param(
        rules.modules_say_what_they_are,
        {"time.py": '"""What it is."""\n'},
        id="a module with a docstring",
    ),
    pytest.param(
        rules.only_the_command_line_prints,
        {"cli/run.py": "print(1)\n"},
        id="a print in the command line",
    ),
    pytest.param(
        declared.declarations_have_a_module,
        {"time.py": "", "time.pxd": "", "_core/_native.pyx": "", "_core/_native.pxd": ""},
        id="declarations beside their modules",
    ),
    pytest.param(
        declared.declared_classes_are_defined,
        {
            "time.py": "class Sleep(_core.Future[None], Awaitable[None]):\n    pass\n",
            "time.pxd": "cdef class Sleep(Future):\n    cpdef poll(self, Context cx)\n",
            "_core/poll.py": "class Future(Generic[T]):\n    pass\n",
            "_core/poll.pxd": "cdef class Future:\n    pass\n",
        },
        id="a declared class with its declared base",
    ),
    pytest.param(
        declared.slots_are_declared,
        {
            "time.py": slotted("_at", "__weakref__", "woken"),
            "time.pxd": "cdef class Sleep(Future):\n"
            "    cdef object __weakref__\n    cdef public double _at  # of the host\n"
            "    @cython.locals(at=double)\n    cdef double left(self, double at)\n",
            "future.pxd": "cdef class Future:\n    cdef public bint woken\n",
        },
        id="slots that are declared, one of them by the base",
    ),
    pytest.param(
        declared.slots_are_declared,
        {
            "time.py": "class Sleep:\n    __slots__ = ('_at', *EVENTS)\n    ended: int\n",
            "time.pxd": sleep("cdef public double _at", "cdef public int ended"),
        },
        id="slots that are unpacked, and annotated",
    ),
    pytest.param(
        declared.assigned_attributes_are_declared,
        {
            "time.py": "class Sleep:\n    def __init__(self):\n        self.at = 1\n",
            "time.pxd": sleep("cdef dict __dict__", "cdef readonly double at"),
        },
        id="attributes without slots that are declared",
    ),
    pytest.param(
        declared.directives_are_compiled,
        {"time.py": "x = 1  #: compiled: x = 2\n", "time.pxd": ""},
        id="a directive in a module that is compiled",
    ),
    pytest.param(
        declared.the_switch_comes_first,
        {
            "__init__.py": "from rescind._core.errors import A\nfrom rescind import time\n",
            "_core/__init__.py": "from .form import compiled\nfrom . import poll\n",
            "_core/form.py": "import os\n",
            "_core/poll.pxd": "",
        },
        id="a switch that is loaded first",
    ),
]


@pytest.mark.parametrize(("rule", "files"), FINE)
def test_a_sound_tree_is_accepted(
    rule: Callable[[Path], list[str]], files: dict[str, str], tmp_path: Path
) -> None:
    """The rule has nothing to say about code that follows it."""
    assert rule(tree(tmp_path, files)) == []


def test_every_rule_has_both_cases() -> None:
    """Each rule is shown at least one tree that breaks it and one that does not."""
    every = set(rules.RULES)

    assert {case.values[0] for case in BROKEN} == every
    assert {case.values[0] for case in FINE} == every
