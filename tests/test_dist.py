"""What is released: what its archives hold, and how the compiled form's source is made."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import dist_contents
from scripts.dist_contents import differences_of_wheels, faults_of_sdist, faults_of_wheel, names_of

TREE = (
    "src/rescind/__init__.py",
    "src/rescind/time.py",
    "src/rescind/time.pxd",
    "src/rescind/_core/_native.pyx",
    "src/rescind/_core/_native.pxd",
    "src/rescind/py.typed",
    "src/rescind_pytest.py",
)
PLAIN = ("rescind/__init__.py", "rescind/time.py", "rescind/py.typed", "rescind_pytest.py")
COMPILED = (
    "rescind/time.cpython-311-x86_64-linux-gnu.so",
    "rescind/_core/_native.cpython-311-x86_64-linux-gnu.so",
)
NAMES = {"pure": "rescind-1-py3-none-any.whl", "compiled": "rescind-1-cp311-cp311-linux.whl"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a tree, with what tools leave in it."""
    left = ("src/rescind/__pycache__/time.cpython-311.pyc", "src/rescind.egg-info/PKG-INFO")
    for name in (*TREE, *left):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_an_sdist_has_what_builds_and_nothing_else(root: Path) -> None:
    """The declarations and the switch are in it, tests and what was built are not."""
    whole = [*TREE, *dist_contents.BESIDE, "PKG-INFO", "src/rescind.egg-info/SOURCES.txt"]

    assert faults_of_sdist(whole, root) == []
    assert faults_of_sdist([name for name in whole if name != "src/rescind/time.pxd"], root) == [
        "src/rescind/time.pxd is missing"
    ]
    assert faults_of_sdist([*whole, "tests/test_dist.py"], root) == [
        "tests/test_dist.py does not belong there"
    ]


@pytest.mark.parametrize(
    ("form", "names", "faults"),
    [
        pytest.param("pure", PLAIN, [], id="plain"),
        pytest.param("compiled", (*PLAIN, *COMPILED), [], id="compiled"),
        pytest.param(
            "compiled",
            (*PLAIN, COMPILED[0]),
            ["the compiled form of rescind/_core/_native is missing"],
            id="half compiled",
        ),
        pytest.param(
            "pure",
            (*PLAIN, COMPILED[0]),
            ["the compiled form of rescind/time does not belong there"],
            id="for any, and compiled",
        ),
        pytest.param("pure", PLAIN[:2], [f"{n} is missing" for n in PLAIN[2:]], id="too little"),
        pytest.param(
            "pure",
            (*PLAIN, "rescind/time.pxd", "rescind/time.c"),
            [f"rescind/time.{suffix} does not belong there" for suffix in ("c", "pxd")],
            id="what builds",
        ),
    ],
)
def test_a_wheel_has_each_module_and_what_its_tag_says(
    form: str, names: tuple[str, ...], faults: list[str], root: Path
) -> None:
    """All modules as plain Python; compiled ones all, or none in a wheel for any Python."""
    assert faults_of_wheel(NAMES[form], [*names, "rescind-1.dist-info/WHEEL"], root) == faults


def test_wheels_are_compared_file_by_file(tmp_path: Path) -> None:
    """Names first, then contents."""
    for name, files in {"a": {"x": "1", "y": "1"}, "b": {"y": "2", "z": "1"}}.items():
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as wheel:
            for file, text in files.items():
                wheel.writestr(file, text)
    one, other = tmp_path / "a.whl", tmp_path / "b.whl"

    assert differences_of_wheels(one, one) == []
    assert differences_of_wheels(one, other) == [
        "x is missing",
        "z does not belong there",
        "y differs",
    ]


def test_an_archive_that_lacks_something_fails_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the file to the exit code, for an sdist; its own directory is left out of names."""
    path = tmp_path / "rescind-1.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        sdist.add(__file__, "rescind-1/setup.py")

    assert names_of(path) == ["setup.py"]
    assert dist_contents.main([str(path)]) == 1
    assert "pyproject.toml is missing" in capsys.readouterr().err


def transformed(text: str, declarations: str) -> str:
    """Ask setup.py for the source that is compiled; it needs setuptools, which not all have."""
    pytest.importorskip("setuptools")
    program = (
        "import sys; from setup import compiled_source; "
        "sys.stdout.write(compiled_source(sys.argv[1], sys.argv[2]))"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, text, declarations],
        check=True,
        cwd=dist_contents.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def test_declared_classes_lose_the_parameters_of_their_bases_and_lines_stay() -> None:
    """Only those; what is told for the compiled form takes a line's place, at its depth."""
    text = (
        "class Sleep(Future[dict[str, int]], Generic[T]):\n"
        "    at = 1  #: compiled: pass\n"
        "    #: compiled: at = 2\n"
        "class Other(Future[T]):\n"
        "    pass\n"
    )

    assert transformed(text, "cdef class Sleep(Future):\n    cdef int at\n") == (
        "class Sleep(Future):\n    pass\n    at = 2\nclass Other(Future[T]):\n    pass\n"
    )
