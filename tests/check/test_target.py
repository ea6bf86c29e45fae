"""What is named on the command line, and how what is wrong with it is told."""

import asyncio
from pathlib import Path

import pytest

from rescind.check.scenario import Env, start
from rescind.check.target import NeedsPytest, NotFound, load_scenario
from tests.check.programs import write

SOURCE = """
    import asyncio, unittest

    TIMEOUT = 2.5
    CLEANUP_WITHIN = 0.5

    async def setup(env): ...
    def invariant_of_all(env): ...

    async def scenario(env):
        return env

    async def nothing():
        return "nothing"

    async def defaults(retries=3, *, deep=False):
        return retries, deep

    async def both(env=None, retries=3):
        return env, retries

    async def two(env, other): ...
    async def keyword(env, *, other): ...
    async def generator():
        yield 1
    def plain(): ...
    number = 3

    class Jobs:
        made = 0
        def __init__(self):
            Jobs.made += 1
        async def run(self):
            return "ran", Jobs.made
        async def given(self, env):
            return env
        @staticmethod
        async def static():
            return "static"
        @classmethod
        async def of_class(cls):
            return cls.__name__

    class Needy:
        def __init__(self, pool): ...
        async def run(self): ...

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test_it(self): ...

    class TestGroup:
        async def test_alone(self):
            return "alone"

    async def test_alone(): ...
    async def test_fixture(pool, tmp_path): ...
    async def test_env(env):
        return env
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module, and go where it is."""
    write(tmp_path, targets_of_test=SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "targets_of_test.py"


def returned(target: str, env: object = None) -> object:
    """Run the scenario of a target."""
    return asyncio.run(start(load_scenario(target), env))  # type: ignore[arg-type]


def test_a_file_alone_means_its_function_scenario(file: str) -> None:
    """``FILE`` is ``FILE::scenario``, with what its module says besides."""
    scenario = load_scenario(file)
    env = Env()

    assert env is returned(file, env)
    assert (2.5, 0.5) == (scenario.timeout, scenario.cleanup_within)
    assert scenario.setup is not None
    assert scenario.teardown is None
    assert ["invariant_of_all"] == [one.__name__ for one in scenario.invariants]
    assert () == load_scenario(file, invariants=False).invariants


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing", "nothing"),
        ("defaults", (3, False)),
        ("Jobs::static", "static"),
        ("Jobs::of_class", "Jobs"),
        ("TestGroup::test_alone", "alone"),
        ("test_alone", None),
    ],
)
def test_what_needs_no_env_is_called_without(file: str, name: str, expected: object) -> None:
    """Functions, methods, and tests without fixtures; defaults stay as they are."""
    assert expected == returned(f"{file}::{name}", Env())
    module = file.removesuffix(".py")
    assert expected == returned(f"{module}:{name.replace('::', '.')}", Env())


@pytest.mark.parametrize("name", ["scenario", "Jobs::given", "test_env"])
def test_what_takes_the_env_gets_it(file: str, name: str) -> None:
    """A method takes it after its object."""
    env = Env()

    assert env is returned(f"{file}::{name}", env)


def test_a_default_named_env_is_replaced(file: str) -> None:
    """Other defaults are left alone."""
    env = Env()

    assert (env, 3) == returned(f"{file}::both", env)


def test_each_call_of_a_method_gets_a_new_object(file: str) -> None:
    """Else one run could reach the next."""
    scenario = load_scenario(f"{file}::Jobs::run")
    numbers = [asyncio.run(start(scenario, Env())) for _ in range(2)]

    assert numbers[0][1] + 1 == numbers[1][1]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.py", "there is no file 'nowhere.py'"),
        ("targets_of_test.py::missing", "has no 'missing'; it has scenario, nothing"),
        ("targets_of_test.py::Jobs::missing", "has no"),
        ("targets_of_test.py::plain", "is not async; write 'async def plain'"),
        ("targets_of_test.py::number", "is no function but 3"),
        ("targets_of_test.py::generator", "is an async generator"),
        ("targets_of_test.py::two", "needs the arguments env, other"),
        ("targets_of_test.py::keyword", "needs the arguments env, other"),
        ("targets_of_test.py::Needy::run", "must be callable without arguments"),
        ("targets_of_test.py::Jobs", "is not async"),
        ("no_such_module_at_all:x", "there is no module 'no_such_module_at_all'"),
        ("no such thing", "is neither FILE::FUNC"),
        ("", "is neither FILE::FUNC"),
        (".", "is a directory; name a file in it"),
        (":", "is neither FILE::FUNC"),
        ("::", "there is no file ''"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file: str, target: str, message: str) -> None:
    """It names what was given, and says what to do."""
    with pytest.raises(NotFound) as caught:
        load_scenario(target)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_fixture", "needs the fixtures pool, tmp_path; run pytest"),
        ("Case::test_it", "is a test of unittest; run pytest"),
        ("test_alone[1]", "is a parametrized test"),
    ],
)
def test_what_only_pytest_can_make_is_left_to_it(file: str, name: str, message: str) -> None:
    """The message is the command that does it."""
    with pytest.raises(NeedsPytest) as caught:
        load_scenario(f"{file}::{name}")

    assert message in str(caught.value)
    assert "--cancel-sweep" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def x(:", "invalid syntax"),
        ("import nothing_of_this_name", "it needs the module 'nothing_of_this_name'"),
        ("\n1/0", "ZeroDivisionError: division by zero (broken.py:2)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyError", "KeyError (broken.py:1)"),
        ("TIMEOUT = 'long'\nasync def scenario(): ...", "TIMEOUT in 'broken.py' must be"),
        ("LOOP = 'trio'\nasync def scenario(): ...", "LOOP in 'broken.py' must be 'asyncio' or"),
        ("CLEANUP_WITHIN = 0\nasync def scenario(): ...", "CLEANUP_WITHIN in 'broken.py' must"),
        ("setup = 3\nasync def scenario(): ...", "'setup' in 'broken.py' must be a function"),
    ],
)
def test_a_module_that_cannot_be_used_is_told(
    file: str, tmp_path: Path, source: str, message: str
) -> None:
    """What it raises stays with the error, for those who want its traceback."""
    (tmp_path / "broken.py").write_text(source, encoding="utf-8")

    with pytest.raises(NotFound) as caught:
        load_scenario("broken.py")

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ctrl_c_during_an_import_is_no_error_of_the_module(file: str, tmp_path: Path) -> None:
    """It goes through."""
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt", encoding="utf-8")

    with pytest.raises(KeyboardInterrupt):
        load_scenario("slow.py")
