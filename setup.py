"""Build the package: as plain Python, or with its core compiled (docs/design/0057).

Each module that has a ``.pxd`` beside it is compiled by Cython, from the same source, with three
changes made on a copy, line by line, so that places in tracebacks stay true:

- classes that the ``.pxd`` declares lose the parameters of their bases (``[T]``, ``Generic``);
- functions that the ``.pxd`` has from elsewhere (``cimport``) are not imported a second time;
- a line that ends in ``#: compiled: CODE`` is ``CODE`` there.

``RESCIND_BUILD=pure`` builds without, ``RESCIND_BUILD=compiled`` fails where it cannot compile. By
default a wheel is compiled if it can be, and an editable installation is not: what is edited runs.
``RESCIND_CFLAGS`` takes the place of ``-O2 -g0``.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from sysconfig import get_path
from tempfile import TemporaryDirectory

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# They come with setuptools, and so after it.
from distutils.ccompiler import new_compiler  # isort: skip
from distutils.sysconfig import customize_compiler  # isort: skip

ROOT = Path(__file__).parent
SOURCE = ROOT / "src"
COPY = Path("build") / "compiled-source"

# No debug information: it is most of the size, and half of the time.
FLAGS = [] if os.name == "nt" else os.environ.get("RESCIND_CFLAGS", "-O2 -g0").split()
# A method of C's that is given on as an object is of the wrong type, and would crash when called.
STRICT = [] if os.name == "nt" else ["-Werror=incompatible-pointer-types"]

_CLASS = re.compile(r"^class (\w+)\((.*)\):(.*)$")
_DECLARED = re.compile(r"^cdef class (\w+)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^( *)(.*?) *#: compiled: (.*)$")
_CIMPORT = re.compile(r"^from [\w.]+ cimport (.*)$", re.MULTILINE)


def _without_parameters(bases: str) -> str:
    depth, text = 0, ""
    for character in bases:
        depth += character == "["
        if depth == 0:
            text += character
        depth -= character == "]"
    names = [name.strip() for name in text.split(",")]
    return ", ".join(name for name in names if name and name != "Generic")


def _without_functions(line: str, known: set[str]) -> str:
    """Take the functions that are known already out of a line of an import."""
    found = re.match(r"( *(?:from [\w.]+ import )?)(.*)", line)
    assert found is not None
    head, names = found[1], found[2]
    kept = [name for name in names.split(", ") if name.rstrip(",").split(" as ")[-1] not in known]
    if kept or not head.strip():
        return head + ", ".join(kept)
    return "pass"


def compiled_source(text: str, declarations: str) -> str:
    """Return the source that is compiled for a module with these declarations."""
    declared = set(_DECLARED.findall(declarations))
    names = [name for some in _CIMPORT.findall(declarations) for name in some.split(", ")]
    functions = {name for name in names if name.lstrip("_")[:1].islower()}
    importing = False
    lines: list[str] = []
    for original in text.splitlines():
        line = original
        if importing or line.startswith("from "):
            importing = line.endswith("(") or (importing and not line.startswith(")"))
            if not line.endswith(("(", ")")) and "#: compiled: " not in line:
                line = _without_functions(line, functions)
        found = _CLASS.match(line)
        if found is not None and found[1] in declared:
            bases = _without_parameters(found[2])
            bases = f"({bases})" if bases else ""
            lines.append(f"class {found[1]}{bases}:{found[3]}")
            continue
        found = _DIRECTIVE.match(line)
        lines.append(f"{found[1]}{found[3]}" if found is not None else line)
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file, unless it is so already: what did not change is not compiled again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def extensions() -> list[Extension]:
    """Copy what is compiled, with its changes, and return the extensions."""
    from Cython.Build import cythonize

    found: list[Extension] = []
    for package in sorted({path.parent for path in SOURCE.rglob("*.pxd")}):
        for folder in (package, *package.parents):
            if folder == SOURCE:
                break
            target = COPY / folder.relative_to(SOURCE)
            target.mkdir(parents=True, exist_ok=True)
            write(target / "__init__.py", "")
    for declared in sorted(SOURCE.rglob("*.pxd")):
        target = COPY / declared.relative_to(SOURCE)
        write(target, declared.read_text())
        plain, native = declared.with_suffix(".py"), declared.with_suffix(".pyx")
        if native.exists():
            module = target.with_suffix(".pyx")
            write(module, native.read_text())
        else:
            module = target.with_suffix(".py")
            write(module, compiled_source(plain.read_text(), declared.read_text()))
        name = ".".join(module.relative_to(COPY).with_suffix("").parts)
        source = str(module.relative_to(COPY))
        found.append(Extension(name, [source], extra_compile_args=[*FLAGS, *STRICT]))
    directives = {
        "annotation_typing": False,
        "binding": True,
        "cdivision": True,
        "language_level": 3,
        "auto_pickle": False,  # what lives once is not pickled; what is a value says how
    }
    done: list[Extension]
    here = Path.cwd()
    os.chdir(COPY)  # tracebacks tell names of files as Cython is given them
    try:
        done = cythonize(
            found,
            compiler_directives=directives,
            nthreads=os.cpu_count() or 1,
            quiet=True,
        )
    finally:
        os.chdir(here)
    for one in done:
        one.sources = [str(COPY / source) for source in one.sources]
    return done


def probe() -> None:
    """Compile three lines: Cython would work for half a minute for a compiler that is not there.

    Raises:
        Exception: there is no C compiler, or Python's headers are missing.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "probe.c"
        path.write_text("#include <Python.h>\nint probe(void);\nint probe(void) { return 0; }\n")
        compiler = new_compiler()
        customize_compiler(compiler)
        include = sorted({get_path("include"), get_path("platinclude")})
        compiler.compile([str(path)], output_dir=folder, include_dirs=include)


def say_pure(why: Exception) -> None:
    """Tell whoever builds that the core stays plain Python."""
    sys.stderr.write(f"rescind: the core is not compiled ({why}); it runs as plain Python\n")


class BuildOrNot(build_ext):
    """Compile; where that fails, say so and leave the package as plain Python."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        try:
            super().run()
        except Exception as exc:
            if os.environ.get("RESCIND_BUILD") == "compiled":
                raise
            say_pure(exc)
            for half in self.get_outputs():
                Path(half).unlink(missing_ok=True)
            self.extensions = []


def wanted() -> list[Extension]:
    """Return the extensions, or none where it is to be, or has to be, plain Python."""
    choice = os.environ.get("RESCIND_BUILD", "")
    if choice not in ("", "compiled", "pure"):
        raise SystemExit(f"RESCIND_BUILD must be 'compiled' or 'pure', not {choice!r}")
    commands = set(sys.argv)
    if choice == "pure" or commands & {"egg_info", "sdist", "dist_info"}:
        return []
    if not choice and commands & {"develop", "editable_wheel"}:
        return []
    try:
        probe()
        return extensions()
    except Exception as exc:
        if choice == "compiled":
            raise
        say_pure(exc)
        return []


if __name__ == "__main__":
    setup(ext_modules=wanted(), cmdclass={"build_ext": BuildOrNot})
