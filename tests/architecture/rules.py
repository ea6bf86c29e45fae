"""The rules on the shape of the code, read off the syntax tree.

Each rule is a function from the directory of a package to a list of findings, `path:line: what,
and what to do`. Nothing is imported, so the rules hold for code that does not run yet, and each can
be shown a tiny tree that breaks it.
"""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

from tests.architecture.declared import COMPILED_RULES
from tests.architecture.source import PACKAGE, imports, modules, own_targets

MAX_MODULE_LINES = 420
MAX_FUNCTION_LINES = 80

#: Which layer each module is in. Keys are names below the package; a key that ends in `.*` stands
#: for a package and all that is in it. Imports point to the same layer or down, never in a circle.
LAYERS: dict[str, int] = {
    "_lazy": 0,
    "_version": 0,
    "_packed": 0,
    "_seconds": 0,
    "_uncollected": 0,
    "_pages.*": 0,
    # The words: what ends, why, and how one polls (which needs to know who is being polled).
    "_core.current": 0,
    "_core.engine": 0,
    "_core.errors": 0,
    "_core.explanation": 0,
    "_core.form": 0,
    "_core.given": 0,
    "_core.fifo": 0,
    "_core.frames": 0,
    "_core.leftover": 0,
    "_core.record": 0,
    "_core.site": 0,
    "_core.grace": 0,
    "_core.outcome": 0,
    "_core.intofuture": 0,
    "_core.poll": 0,
    "_core.uncopied": 0,
    "_core.port": 0,
    "_core.reason": 0,
    "_core.region": 0,
    # Mechanisms that know no future in particular.
    "_core.hooks": 1,
    "_core.overrun": 1,
    "_core.machine": 1,
    "_core.phase": 1,
    "_core.resources": 1,
    "_core.company": 1,
    "_core.counts": 1,
    "_core.statistics": 1,
    "_core.timers": 1,
    "_core.vigil": 1,
    "_core.waitlist": 1,
    # One future, one task.
    "_core.cell": 2,
    "_core.closing": 2,
    "_core.coroutine": 2,
    "_core.dropping": 2,
    "_core.ending": 2,
    "_core.deadline": 2,
    "_core.dependent": 2,
    "_core.gate": 2,
    "_core.handle": 2,
    "_core.into": 2,
    "_core.scope": 2,
    "_core.straight": 2,
    "_core.task": 2,
    "_core.waiting": 2,
    "_core.watched": 2,
    # Many tasks.
    "_core.executor": 3,
    "_core.hostport": 3,
    "_core": 3,
    # Event loops.
    "_host.*": 4,
    # What users call.
    "_attach": 5,
    "_lifetime": 5,
    "_failure": 5,
    "_report": 5,
    "_shutdown": 5,
    "_warn.*": 5,
    "blocking.*": 5,
    "combinators.*": 5,
    "runtime": 5,
    "sync.*": 5,
    "tasks.*": 5,
    "time": 5,
    # What shows, proves and explains; and the facades over everything below.
    "check.*": 6,
    "cluster.*": 6,
    "lowlevel": 6,
    "testing.*": 6,
    "top.*": 6,
    "trace.*": 6,
    "": 6,
    # The command line.
    "__main__": 7,
    "cli.*": 7,
}

#: Packages that are not in the standard library, by the part of rescind that may import them.
THIRD_PARTY: dict[str, frozenset[str]] = {
    "_host": frozenset({"anyio", "trio", "uvloop"}),
    "check": frozenset({"_pytest", "anyio", "pytest", "rich", "uvloop"}),
    "cli": frozenset({"click", "rich", "textual"}),
    "testing": frozenset({"_pytest", "hypothesis", "pytest", "uvloop"}),
    "trace": frozenset({"opentelemetry"}),
}

#: Parts whose third-party packages may be missing, so that each import has to be prepared for that.
OPTIONAL_PARTS = frozenset({"_host"})

#: Modules that re-export and do nothing else, besides every `__init__.py`.
FACADES = frozenset({"lowlevel"})


def layer_of(name: str) -> int | None:
    """Look a module up in the table of layers; None if it is not there."""
    if name in LAYERS:
        return LAYERS[name]
    return LAYERS.get(name.partition(".")[0] + ".*") if name else None


# ---------------------------------------------------------------------------------------- the rules


def modules_have_a_layer(root: Path) -> list[str]:
    """Every module is in the table of layers."""
    return [
        module.at(
            1,
            f"'{module.name}' has no layer: add \"{module.name}\": <its layer> to LAYERS in "
            "tests/architecture/rules.py",
        )
        for module in modules(root)
        if layer_of(module.name) is None
    ]


def imports_point_down(root: Path) -> list[str]:
    """No module imports one of a higher layer, not even inside a function.

    Imports for the type checker alone are left out, since nothing is imported.
    """
    everything = modules(root)
    known = {module.name for module in everything}
    findings: list[str] = []
    for module in everything:
        own = layer_of(module.name)
        for found in imports(module):
            for target in [] if found.typing_only else own_targets(found, known):
                other = layer_of(target)
                if own is not None and other is not None and other > own:
                    findings.append(
                        module.at(
                            found.line,
                            f"'{module.name}' (layer {own}) imports '{target or PACKAGE}' (layer "
                            f"{other}): imports point down; move what is shared below both",
                        )
                    )
    return findings


def imports_make_no_circle(root: Path) -> list[str]:
    """No module imports itself by way of others, not even inside functions."""
    everything = modules(root)
    known = {module.name for module in everything}
    graph: dict[str, list[str]] = {}
    for module in everything:
        graph[module.name] = [
            target
            for found in imports(module)
            if not found.typing_only
            for target in own_targets(found, known)
            if target in known and target != module.name
        ]
    paths = {module.name: module for module in everything}
    return [
        paths[circle[0]].at(1, f"imports make a circle: {' -> '.join(circle)}; break it")
        for circle in _circles(graph)
    ]


def _circles(graph: dict[str, list[str]]) -> list[list[str]]:
    """Find one circle through each edge that closes one, depth first."""
    circles: list[list[str]] = []
    finished: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        trail.append(name)
        for target in graph[name]:
            if target in trail:
                circles.append([*trail[trail.index(target) :], target])
            elif target not in finished:
                visit(target)
        finished.add(trail.pop())

    for name in sorted(graph):
        if name not in finished:
            visit(name)
    return circles


def core_is_self_contained(root: Path) -> list[str]:
    """The core imports the standard library and itself, and of asyncio only `CancelledError`."""
    findings: list[str] = []
    for module in modules(root):
        if module.part != "_core":
            continue
        for found in imports(module):
            package = found.target.partition(".")[0]
            if package == PACKAGE:
                if not f"{found.target}.".startswith(f"{PACKAGE}._core."):
                    findings.append(
                        module.at(found.line, f"the core imports '{found.target}', outside itself")
                    )
            elif package == "asyncio":
                if found.names != ("CancelledError",):
                    findings.append(
                        module.at(
                            found.line,
                            "the core knows no event loop: of asyncio it may only say "
                            "`from asyncio import CancelledError`",
                        )
                    )
            elif package not in sys.stdlib_module_names:
                findings.append(
                    module.at(
                        found.line,
                        f"the core imports '{package}', which is not in the standard library",
                    )
                )
    return findings


def third_party_stays_where_it_is_allowed(root: Path) -> list[str]:
    """Packages from elsewhere are imported only by the parts that THIRD_PARTY names."""
    findings: list[str] = []
    for module in modules(root):
        allowed = THIRD_PARTY.get(module.part, frozenset())
        for found in imports(module):
            package = found.target.partition(".")[0]
            if package == PACKAGE or package in sys.stdlib_module_names:
                continue
            if package not in allowed:
                findings.append(
                    module.at(
                        found.line,
                        f"'{package}' may not be imported here; THIRD_PARTY in "
                        "tests/architecture/rules.py says what may be, and where",
                    )
                )
            elif module.part in OPTIONAL_PARTS and not found.guarded:
                findings.append(
                    module.at(
                        found.line,
                        f"'{package}' may be missing: import it in the function that needs it, or "
                        "in a `try` that catches ImportError",
                    )
                )
    return findings


def modules_fit_in_the_head(root: Path) -> list[str]:
    """No module is longer than MAX_MODULE_LINES."""
    return [
        module.at(lines, f"{lines} lines; split it by role (at most {MAX_MODULE_LINES})")
        for module in modules(root)
        if (lines := len(module.source.splitlines())) > MAX_MODULE_LINES
    ]


def functions_fit_on_a_screen(root: Path) -> list[str]:
    """No function is longer than MAX_FUNCTION_LINES, its docstring left out."""
    return [
        module.at(
            node.lineno,
            f"{node.name}() has {lines} lines without its docstring (at most {MAX_FUNCTION_LINES})",
        )
        for module in modules(root)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := _length(node)) > MAX_FUNCTION_LINES
    ]


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def facades_have_no_logic(root: Path) -> list[str]:
    """A facade is a docstring, imports, and names between double underscores.

    What it imports only when it is asked for, it imports for the type checker alone.
    """
    return [
        module.at(
            node.lineno,
            "a facade only re-exports: a docstring, imports and __all__; move this to a module",
        )
        for module in modules(root)
        if module.is_package or module.name in FACADES
        for node in module.tree.body
        if not _is_declaration(node)
    ]


def _is_declaration(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=orelse):
            return all(map(_is_declaration, [*body, *orelse]))
        case ast.Assign(targets=[ast.Tuple(elts=targets)]):
            return all(map(_is_dunder, targets))
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return _is_dunder(target)
        case _:
            return False


def _is_dunder(target: ast.expr) -> bool:
    if not isinstance(target, ast.Name):
        return False
    return target.id.startswith("__") and target.id.endswith("__")


def modules_say_what_they_are(root: Path) -> list[str]:
    """Every module has a docstring, the internal ones too."""
    return [
        module.at(1, "no module docstring: say what it is, and what it is not")
        for module in modules(root)
        if not ast.get_docstring(module.tree)
    ]


def only_the_command_line_prints(root: Path) -> list[str]:
    """`print` is called in `cli` alone."""
    return [
        module.at(node.lineno, "a library does not print; return it, log it, or warn")
        for module in modules(root)
        if module.part != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


RULES: tuple[Callable[[Path], list[str]], ...] = (
    modules_have_a_layer,
    imports_point_down,
    imports_make_no_circle,
    core_is_self_contained,
    third_party_stays_where_it_is_allowed,
    modules_fit_in_the_head,
    functions_fit_on_a_screen,
    facades_have_no_logic,
    modules_say_what_they_are,
    only_the_command_line_prints,
    *COMPILED_RULES,
)
