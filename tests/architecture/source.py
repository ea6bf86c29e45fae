"""What the rules look at: the modules of a package, and what each imports."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PACKAGE = "rescind"


@dataclass(frozen=True)
class Module:
    """One file of the package: its dotted name below the package, and its syntax tree."""

    name: str
    path: str
    source: str
    tree: ast.Module
    is_package: bool

    @property
    def part(self) -> str:
        """Give the first component of the name: what is directly below the root."""
        return self.name.partition(".")[0]

    def at(self, line: int, finding: str) -> str:
        """Say where a finding is."""
        return f"{self.path}:{line}: {finding}"


@dataclass(frozen=True)
class Import:
    """One imported module, by its absolute name, with how it is imported."""

    target: str
    names: tuple[str, ...]
    line: int
    typing_only: bool
    guarded: bool


@lru_cache(maxsize=1)  # each rule asks for the same
def modules(root: Path) -> tuple[Module, ...]:
    """Read every module of the package at `root`, in the order of their paths."""
    return tuple(_read(root, path) for path in sorted(root.rglob("*.py")))


def _read(root: Path, path: Path) -> Module:
    relative = path.relative_to(root)
    parts = relative.with_suffix("").parts
    is_package = parts[-1] == "__init__"
    source = path.read_text(encoding="utf-8")
    return Module(
        name=".".join(parts[:-1] if is_package else parts),
        path=relative.as_posix(),
        source=source,
        tree=ast.parse(source, filename=str(path)),
        is_package=is_package,
    )


def imports(module: Module) -> list[Import]:
    """List what a module imports, wherever in it the import stands."""
    return list(_imports(module, module.tree, typing_only=False, guarded=False))


def _imports(
    module: Module, node: ast.AST, *, typing_only: bool, guarded: bool
) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, (), node.lineno, typing_only, guarded)
    elif isinstance(node, ast.ImportFrom):
        target = _absolute(module, node)
        names = tuple(alias.name for alias in node.names)
        yield Import(target, names, node.lineno, typing_only, guarded)
    elif isinstance(node, ast.If) and _is_type_checking(node.test):
        yield from _of_all(module, node.body, typing_only=True, guarded=True)
        yield from _of_all(module, node.orelse, typing_only=typing_only, guarded=guarded)
    elif isinstance(node, ast.Try) and any(map(_catches_import_error, node.handlers)):
        rest = [*node.handlers, *node.orelse, *node.finalbody]
        yield from _of_all(module, node.body, typing_only=typing_only, guarded=True)
        yield from _of_all(module, rest, typing_only=typing_only, guarded=guarded)
    else:
        # An import in a function happens when somebody asks for what needs it.
        inside = guarded or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        children = ast.iter_child_nodes(node)
        yield from _of_all(module, children, typing_only=typing_only, guarded=inside)


def _of_all(
    module: Module, nodes: Iterable[ast.AST], *, typing_only: bool, guarded: bool
) -> Iterator[Import]:
    for node in nodes:
        yield from _imports(module, node, typing_only=typing_only, guarded=guarded)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = [PACKAGE, *module.name.split(".")] if module.name else [PACKAGE]
    up = node.level - 1 if module.is_package else node.level
    base = package[: len(package) - up]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        isinstance(name, ast.Name) and name.id in {"ImportError", "ModuleNotFoundError"}
        for name in names
    )


def own_targets(found: Import, known: set[str]) -> list[str]:
    """Name the modules of the package that an import loads: a submodule, not what holds it."""
    if found.target != PACKAGE and not found.target.startswith(PACKAGE + "."):
        return []
    base = found.target[len(PACKAGE) + 1 :]
    targets: list[str] = []
    for name in found.names or ("",):
        below = ".".join(part for part in (base, name) if part)
        target = below if below in known else base
        if target not in targets:
            targets.append(target)
    return targets
