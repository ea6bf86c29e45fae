"""The table of the laws is complete, and says what the laws say."""

import ast
import re
from pathlib import Path

from rescind.testing.laws import program
from rescind.testing.laws.all import ELSEWHERE, GROUPS, laws
from rescind.testing.laws.program import Program, Race, Sleep, Value, nodes, seq, size

HERE = Path(__file__).parent
TABLE = (HERE / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| P(\d+) \| (.+) \| (.+) \|$", TABLE, re.MULTILINE)


def test_every_law_is_there() -> None:
    """P1 to P74 are functions; P75 to P78 have tests that name them elsewhere."""
    found = {one.number for one in laws()}

    assert set(range(1, 75)) == found
    assert (75, 76, 77, 78) == ELSEWHERE
    elsewhere = "".join(path.read_text("utf-8") for path in (HERE.parent / "testing").glob("*.py"))
    assert [] == [number for number in ELSEWHERE if f"P{number}" not in elsewhere]


def test_each_law_has_its_row() -> None:
    """The table names each function, with the first line of what it says."""
    expected = [
        (
            str(one.number),
            one.statement.splitlines()[0].rstrip("."),
            f"`{one.group}.{one.check.__name__}`",
        )
        for one in laws()
    ]

    assert expected == [row for row in ROWS if int(row[0]) not in ELSEWHERE]
    assert list(ELSEWHERE) == [int(row[0]) for row in ROWS if int(row[0]) in ELSEWHERE]


def test_each_heading_has_a_test() -> None:
    """Each group of laws is run, by a test module of its name."""
    assert [] == [group for group in GROUPS if not (HERE / f"test_{group}.py").exists()]


def test_repr_of_a_program_makes_it_again() -> None:
    """It is the text of the program, with the names of its module."""
    one = seq(Value(1), Race(Sleep(0.5), Value(2)), Sleep(2))

    again = eval(repr(one), vars(program))

    assert one == again
    assert 7 == size(one) == len(list(nodes(one)))


def test_each_node_can_be_run() -> None:
    """The interpreter knows every node of the module: none is made that it refuses."""
    source = ast.parse(Path(str(program.__file__)).read_text(encoding="utf-8"))
    names = [one.name for one in source.body if isinstance(one, ast.ClassDef)]
    interpreter = (Path(str(program.__file__)).parent / "interpret.py").read_text(encoding="utf-8")

    kinds = [name for name in names if name != "Program"]

    assert [] == [name for name in kinds if f"ast.{name}" not in interpreter]
    assert all(issubclass(getattr(program, name), Program) for name in kinds)
