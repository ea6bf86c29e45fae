"""`RESCIND_PURE` chooses the form, of every module that has two."""

import os
import subprocess
import sys
from importlib import machinery
from pathlib import Path

import pytest

from rescind._core.form import compiled, select
from tests.forms.kit import PACKAGE, needs_both, ran, start

SUFFIX = machinery.EXTENSION_SUFFIXES[0]

#: Prints those of rescind's modules that are not what the form says, and the form.
LOOK = """
import rescind, sys
from rescind._core import compiled
import rescind.trace, rescind.sync, rescind.testing.laws.all
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

def native(path):
    return path.name.endswith(tuple(EXTENSION_SUFFIXES))

for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "rescind":
        path = Path(module.__file__)
        beside = path.parent.glob(path.name.partition('.')[0] + '.*')
        if native(path) != (compiled and any(map(native, beside))):
            print(name)
print(compiled)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A directory that looks like the package, with a compiled module in each of two folders."""
    for folder in ("_core", "combinators", "sync"):
        (tmp_path / folder).mkdir()
    (tmp_path / "_core" / f"cell{SUFFIX}").touch()
    (tmp_path / "combinators" / f"race{SUFFIX}").touch()
    (tmp_path / "sync" / "mutex.py").touch()
    return tmp_path


@pytest.fixture(autouse=True)
def importers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the interpreter's finders as they are."""
    monkeypatch.setattr(sys, "path_importer_cache", dict(sys.path_importer_cache))


@needs_both
@pytest.mark.parametrize(("pure", "form"), [(None, True), ("", True), ("0", True), ("1", False)])
def test_the_variable_chooses_the_form_of_every_module(pure: str | None, form: bool) -> None:
    """With 1 all of them are plain; else those with a compiled form are that, and no others."""
    assert ran(start(pure, "-c", LOOK)) == f"{form}\n"


def test_nonsense_in_the_variable_is_refused() -> None:
    """The import fails, and says what the variable may be, and what it is."""
    done = subprocess.run(
        [sys.executable, "-c", "import rescind"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "RESCIND_PURE": "yes"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ValueError: RESCIND_PURE must be 1 (run the core as plain Python) or 0 (compiled, if the "
        "build has that), not 'yes'"
    )


@pytest.mark.parametrize("wish", ["", "0"])
def test_a_compiled_core_runs_if_there_is_one(
    package: Path, monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    """Unless it is not wanted; the import system is left alone."""
    monkeypatch.setenv("RESCIND_PURE", wish)

    assert select(str(package))
    assert not any(key.startswith(str(package)) for key in sys.path_importer_cache)


def test_without_a_compiled_core_the_plain_one_runs(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the core that counts; that there is none is no error."""
    monkeypatch.delenv("RESCIND_PURE", raising=False)
    (package / "_core" / f"cell{SUFFIX}").unlink()

    assert not select(str(package))


def test_wanted_plain_each_folder_hides_its_compiled_modules(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of folders with compiled modules the finder knows source and bytecode; others keep theirs."""
    monkeypatch.setenv("RESCIND_PURE", "1")
    (package / "_core" / "cell.py").touch()
    (package / "_core" / "old.pyc").touch()

    assert not select(str(package))
    found = {key for key in sys.path_importer_cache if key.startswith(str(package))}
    assert found == {str(package / "_core"), str(package / "combinators")}
    finder = sys.path_importer_cache[str(package / "_core")]
    assert finder is not None
    specs = [finder.find_spec(name) for name in ("cell", "old")]
    assert [type(spec.loader) for spec in specs if spec is not None] == [
        machinery.SourceFileLoader,
        machinery.SourcelessFileLoader,
    ]


#: What another interpreter of the process prints, and the first one after it.
INTERPRETERS = """
import rescind
from rescind._core.form import compiled
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''if True:
    import rescind
    from rescind._core.form import compiled
    print(compiled, rescind.run(rescind.ready("another")), flush=True)
'''
try:
    other = interpreters.create("legacy")  # with its own lock asyncio itself cannot be imported
except TypeError:
    other = interpreters.create(isolated=False)
failed = interpreters.run_string(other, code)
assert failed is None, failed
print(compiled, rescind.run(rescind.ready("first")))
"""


@pytest.mark.parametrize("pure", [None, "1"])
def test_other_interpreters_of_the_process_run_plain_python(pure: str | None) -> None:
    """A compiled module can be loaded into one interpreter alone: the first has it."""
    another, first = ran(start(pure, "-c", INTERPRETERS)).splitlines()

    assert another == "False another"
    assert first == f"{compiled and pure is None} first"
