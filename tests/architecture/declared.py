"""The rules on what is compiled: the `.pxd` files, and the modules that they lie beside.

Cython sees some mistakes there only when the code runs, and some never: an attribute that is not
declared raises when it is first assigned, and a directive in a module that is not compiled does
nothing. See docs/design/0057.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.source import PACKAGE, Module, imports, modules

#: Decides which form runs, and so is imported first, and is always plain.
SWITCH = "_core.form"

_CLASS = re.compile(r"cdef class (\w+)(?:\((\w+)\))?:")
_ATTRIBUTE = re.compile(r"    cdef (?:public |readonly )?[\w.][\w. ]* (\w+)")
_DIRECTIVE = re.compile(r"#: compiled: ")


@dataclass(frozen=True)
class Declared:
    """A class that a `.pxd` declares: its base, and its attributes with their lines."""

    name: str
    base: str | None
    line: int
    attributes: dict[str, int]


def declared_in(text: str) -> list[Declared]:
    """Read the classes of a `.pxd`; its functions are Cython's to check."""
    found: list[Declared] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if opening := _CLASS.match(line):
            found.append(Declared(opening[1], opening[2], number, {}))
            inside = True
        elif line[:1].strip():
            inside = False
        elif inside and (attribute := _ATTRIBUTE.fullmatch(line.partition("#")[0].rstrip())):
            found[-1].attributes[attribute[1]] = number
    return found


def _declarations(root: Path) -> dict[str, str]:
    """Return the text of each `.pxd`, by the name of its module."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.pxd"))
    }


def _at(name: str, line: int, finding: str) -> str:
    return f"{name.replace('.', '/')}.pxd:{line}: {finding}"


def declarations_have_a_module(root: Path) -> list[str]:
    """Beside each `.pxd` is the module that it declares, and beside each `.pyx` its `.pxd`."""
    known = {module.name for module in modules(root)}
    native = {path.with_suffix(".pxd") for path in root.rglob("*.pyx")}
    return [
        *(
            _at(name, 1, f"there is no '{name}' to compile: it goes where its module went")
            for name in _declarations(root)
            if name not in known and root / f"{name.replace('.', '/')}.pxd" not in native
        ),
        *(
            f"{path.relative_to(root).as_posix()}:1: what has no .pxd beside it is not compiled"
            for path in sorted(native)
            if not path.exists()
        ),
    ]


def declared_classes_are_defined(root: Path) -> list[str]:
    """Each class that a `.pxd` declares is in its module, and derives from the same class there."""
    known = {module.name: module for module in modules(root)}
    texts = _declarations(root)
    every = {one.name for text in texts.values() for one in declared_in(text)}
    findings: list[str] = []
    for name, text in texts.items():
        if name not in known:
            continue
        defined = _classes(known[name])
        for declared in declared_in(text):
            node = defined.get(declared.name)
            if node is None:
                findings.append(
                    _at(name, declared.line, f"'{name}' has no class {declared.name}: declare none")
                )
                continue
            bases = [base for base in map(_base, node.bases) if base in every]
            if bases != ([declared.base] if declared.base else []):
                findings.append(
                    known[name].at(
                        node.lineno,
                        f"of what is declared, {node.name} derives from "
                        f"{', '.join(bases) or 'nothing'}, and in its .pxd from "
                        f"{declared.base or 'nothing'}",
                    )
                )
    return findings


def slots_are_declared(root: Path) -> list[str]:
    """The attributes of a declared class are the same in its `__slots__` and in its `.pxd`."""
    known = {module.name: module for module in modules(root)}
    texts = _declarations(root)
    every = {one.name: one for text in texts.values() for one in declared_in(text)}
    findings: list[str] = []
    for name, text in texts.items():
        defined = _classes(known[name]) if name in known else {}
        for declared in declared_in(text):
            node = defined.get(declared.name)
            slots = None if node is None else _slots(node)
            if node is None or slots is None:
                continue  # then __dict__ is declared, or there are no attributes
            inherited = _inherited(declared, every)
            findings += [
                known[name].at(
                    node.lineno,
                    f"{node.name}.{slot} is in __slots__, but not in the .pxd: the compiled class "
                    "would have no such attribute",
                )
                for slot in sorted(slots - set(declared.attributes) - inherited)
            ]
            findings += [
                _at(name, line, f"{node.name}.{attribute} is not in __slots__: declare it in both")
                for attribute, line in declared.attributes.items()
                if attribute not in slots | _annotated(node)
            ]
    return findings


def assigned_attributes_are_declared(root: Path) -> list[str]:
    """A declared class that has no `__slots__` assigns no attribute that its `.pxd` lacks."""
    known = {module.name: module for module in modules(root)}
    texts = _declarations(root)
    every = {one.name: one for text in texts.values() for one in declared_in(text)}
    findings: list[str] = []
    for name, text in texts.items():
        defined = _classes(known[name]) if name in known else {}
        for declared in declared_in(text):
            node = defined.get(declared.name)
            if node is None or _slots(node) is not None:
                continue
            there = set(declared.attributes) | _inherited(declared, every)
            findings += [
                known[name].at(line, f"{node.name}.{attribute} is not declared in the .pxd")
                for attribute, line in _assigned(node).items()
                if attribute not in there
            ]
            findings += [
                _at(name, line, f"{node.name} has no attribute {attribute}: declare none")
                for attribute, line in declared.attributes.items()
                if attribute not in _assigned(node) and not attribute.startswith("__")
            ]
    return findings


def directives_are_compiled(root: Path) -> list[str]:
    """`#: compiled:` stands in modules that are compiled: elsewhere nobody reads it."""
    declared = _declarations(root)
    return [
        module.at(number, "this module is not compiled: it has no .pxd beside it")
        for module in modules(root)
        if module.name not in declared
        for number, line in enumerate(module.source.splitlines(), 1)
        if _DIRECTIVE.search(line)
    ]


def the_switch_comes_first(root: Path) -> list[str]:
    """What decides which form runs is loaded before anything compiled, and is plain itself."""
    declared = _declarations(root)
    known = {module.name: module for module in modules(root)}
    findings = [
        module.at(1, f"it is imported before {SWITCH} has decided: it has to stay plain")
        for module in known.values()
        if module.name in declared and (module.is_package or module.name == SWITCH)
    ]
    core = SWITCH.partition(".")[0]
    for name, first in (("", core), (core, SWITCH)):
        if name not in known or not declared:
            continue
        found = [
            one
            for one in imports(known[name])
            if not one.typing_only and f"{one.target}.".startswith(f"{PACKAGE}.")
        ]
        if not found or not f"{found[0].target}.".startswith(f"{PACKAGE}.{first}."):
            findings.append(
                known[name].at(
                    found[0].line if found else 1,
                    f"its first import is not of {first}, which decides whether what comes next "
                    "is compiled",
                )
            )
    if SWITCH in known:
        findings += [
            known[SWITCH].at(found.line, "it decides before anything of the package is imported")
            for found in imports(known[SWITCH])
            if f"{found.target}.".startswith(f"{PACKAGE}.")
        ]
    return findings


def _classes(module: Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in module.tree.body if isinstance(node, ast.ClassDef)}


def _base(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        node = node.value
    return ast.unparse(node).rpartition(".")[2]


def _slots(node: ast.ClassDef) -> set[str] | None:
    """Return the names in `__slots__`; of what is unpacked there, those that are annotated."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=elements)):
                names = {one.value for one in elements if isinstance(one, ast.Constant)}
                if any(isinstance(one, ast.Starred) for one in elements):
                    names |= _annotated(node)
                return {str(name) for name in names}
            case _:
                pass
    return None


def _annotated(node: ast.ClassDef) -> set[str]:
    return {
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _assigned(node: ast.ClassDef) -> dict[str, int]:
    """Return the attributes of `self` that methods assign, with the first line of each.

    Those of a dataclass are its fields, which the method that assigns them is made from.
    """
    made = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    fields = dict.fromkeys(_annotated(node), node.lineno) if made else {}
    return fields | {
        found.attr: found.lineno
        for found in reversed(list(ast.walk(node)))
        if isinstance(found, ast.Attribute)
        and isinstance(found.ctx, ast.Store)
        and isinstance(found.value, ast.Name)
        and found.value.id == "self"
    }


def _inherited(declared: Declared, every: dict[str, Declared]) -> set[str]:
    names: set[str] = set()
    base = declared.base
    while base in every:
        names |= set(every[base].attributes)
        base = every[base].base
    return names


COMPILED_RULES = (
    declarations_have_a_module,
    declared_classes_are_defined,
    slots_are_declared,
    assigned_attributes_are_declared,
    directives_are_compiled,
    the_switch_comes_first,
)
