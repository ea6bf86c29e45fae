"""What ``rescind`` says and how it exits, for programs that are there, broken or missing."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rescind import __version__
from rescind._core import compiled
from rescind.cli import main
from tests.cli.kit import running, write

Command = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run the command line in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change within one second
    known = set(sys.modules)

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    yield run
    for name in set(sys.modules) - known:
        module = sys.modules[name]
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_version_is_that_of_the_package(command: Command) -> None:
    """``--version`` prints the name, the version, and which form of the core runs, on one line."""
    form = "compiled core" if compiled else "core in plain Python, not compiled"
    assert (0, [f"rescind {__version__} ({form})"], []) == command("--version")


def test_script_sees_itself_as_a_program_but_not_as_main(tmp_path: Path, command: Command) -> None:
    """A script has its arguments, its folder first on the path, and another name than __main__."""
    (tmp_path / "lib").mkdir()
    write(tmp_path / "lib", "WORD = 'helped'", "helper_of_script.py")
    path = write(
        tmp_path / "lib",
        """
        import sys
        import helper_of_script

        async def main(first, *rest):
            print(first, rest, sys.argv[1:], helper_of_script.WORD, __name__)
            print(sys.argv[0] == __file__)

        if __name__ == "__main__":
            raise RuntimeError("not this")
        """,
        "script_of_test.py",
    )
    assert (
        0,
        ["a ('--grace', '-x') ['a', '--grace', '-x'] helped script_of_test", "True"],
        [],
    ) == command("run", "lib/script_of_test.py", "a", "--grace", "-x")
    assert str(path.parent) == sys.path[0]


def test_script_named_like_a_module_in_use_does_not_replace_it(
    tmp_path: Path, command: Command
) -> None:
    """A script called json.py is run under another name than that of the module json."""
    write(tmp_path, "async def main(): print(__name__)", "json.py")
    before = sys.modules["json"]
    assert (0, ["__rescind_main__"], []) == command("run", "json.py")
    assert sys.modules["json"] is before
    del sys.modules["__rescind_main__"]


def test_module_is_imported_from_the_current_directory(tmp_path: Path, command: Command) -> None:
    """MODULE:FUNC finds a package beside the user, and a function inside a class."""
    (tmp_path / "shop").mkdir()
    source = """
        class Jobs:
            @staticmethod
            async def nightly(count="1"):
                print("nightly", count)
    """
    write(tmp_path / "shop", source, "jobs.py")
    assert (0, ["nightly 3"], []) == command("run", "shop.jobs:Jobs.nightly", "3")


def test_main_without_parameters_is_called_without(tmp_path: Path, command: Command) -> None:
    """ARGS are in sys.argv alone if main takes none."""
    write(tmp_path, "import sys\nasync def main(): print(sys.argv[1:])")
    assert (0, ["['a', 'b']"], []) == command("run", "app.py", "a", "b")


@pytest.mark.parametrize(
    ("value", "code"),
    [("None", 0), ("0", 0), ("7", 7), ("'text'", 0), ("True", 0), ("2.5", 0)],
)
def test_return_value_is_the_exit_code_if_it_is_an_int(
    tmp_path: Path, command: Command, value: str, code: int
) -> None:
    """An int is the exit code; everything else is ignored."""
    write(tmp_path, f"async def main(): return {value}")
    assert (code, [], []) == command("run", "app.py")


@pytest.mark.parametrize(
    ("argument", "code", "said"), [("4", 4, []), ("", 0, []), ("'no luck'", 1, ["no luck"])]
)
def test_sys_exit_in_main_exits_so(
    tmp_path: Path, command: Command, argument: str, code: int, said: list[str]
) -> None:
    """``sys.exit`` in main means what it means in any program."""
    write(tmp_path, f"import sys\nasync def main(): sys.exit({argument})")
    assert (code, [], said) == command("run", "app.py")


def test_exception_shows_the_users_frames_alone(tmp_path: Path, command: Command) -> None:
    """The traceback of a failing main has no frame of rescind's; the exit code is 1."""
    path = write(
        tmp_path,
        """
        import rescind

        async def inner():
            raise ValueError("no luck")

        async def main():
            await rescind.timeout(inner(), 5)
        """,
    )
    assert (
        1,
        [],
        [
            "Traceback (most recent call last):",
            f'  File "{path}", line 7, in main',
            "    await rescind.timeout(inner(), 5)",
            f'  File "{path}", line 4, in inner',
            '    raise ValueError("no luck")',
            "ValueError: no luck",
        ],
    ) == _without_carets(command("run", "app.py"))


def _without_carets(ended: tuple[int, list[str], list[str]]) -> tuple[int, list[str], list[str]]:
    code, out, err = ended
    return code, out, [line for line in err if line.strip("^~ ")]


def test_debug_shows_all_frames_and_sets_the_loop_so(tmp_path: Path, command: Command) -> None:
    """``--debug`` turns asyncio's debug mode on, and leaves rescind's frames in."""
    write(
        tmp_path,
        """
        import asyncio
        import rescind

        async def main():
            print(asyncio.get_running_loop().get_debug())
            await rescind.timeout(rescind.poll_fn(lambda cx: 1 / 0), 5)
        """,
    )
    code, out, err = command("run", "--debug", "app.py")
    assert (1, ["True"], "ZeroDivisionError: division by zero") == (code, out, err[-1])
    assert any(re.search(r"\brescind/", line) for line in err)


@pytest.mark.parametrize(("option", "kind"), [((), "asyncio"), (("--uvloop",), "uvloop")])
def test_host_is_the_one_that_was_chosen(
    tmp_path: Path, command: Command, option: tuple[str, ...], kind: str
) -> None:
    """``--uvloop`` runs the program on uvloop."""
    source = """
        import asyncio

        async def main():
            print(type(asyncio.get_running_loop()).__module__.partition(".")[0])
    """
    write(tmp_path, source)
    assert (0, [kind], []) == command("run", *option, "app.py")


def test_uvloop_that_is_missing_is_asked_for(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--uvloop`` without uvloop says how to install it."""
    write(tmp_path, "async def main(): pass")
    monkeypatch.setitem(sys.modules, "uvloop", None)
    said = "rescind: error: host='uvloop' needs uvloop: pip install 'rescind[uvloop]'"
    assert (2, [], [said]) == command("run", "--uvloop", "app.py")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_command_line_that_was_not_installed_says_how(missing: str) -> None:
    """Without click or rich one line says what to install."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None; "
        "import rescind.cli; sys.exit(rescind.cli.main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False
    )
    said = (
        f"rescind: error: the command line needs {missing}, which is not installed: "
        "pip install 'rescind[cli]'\n"
    )
    assert (2, "", said) == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("given", ["-1", "nan", "inf", "soon", ""])
def test_bad_grace_is_refused(tmp_path: Path, command: Command, given: str) -> None:
    """--grace must be a finite number of seconds that is not negative, or none."""
    write(tmp_path, "async def main(): pass")
    said = (
        f"rescind: error: Invalid value for '--grace': {given!r} is no number of seconds; give one "
        "that is not negative, or 'none' for no limit. See 'rescind run --help'."
    )
    assert (2, [], [said]) == command("run", "--grace", given, "app.py")


BROKEN = {
    "gone.py": "there is no file 'gone.py' in {folder}; check the path",
    "app": "there is no file 'app'; name a script or MODULE:FUNC: did you mean 'app.py'?",
    "shop": "there is no file 'shop'; name a script or MODULE:FUNC: did you mean 'shop:main'?",
    "lib": "'lib' is a folder; name a script in it, such as lib/app.py",
    "empty.py": "'empty.py' has no 'main'; define 'async def main(): ...'",
    "other.py": (
        "'other.py' has no 'main'; define 'async def main(): ...', or run one of its own: "
        "other:serve"
    ),
    "plain.py": "'main' in 'plain.py' is not async; write 'async def main'",
    "made.py": (
        "'main' in 'made.py' is a coroutine that was made already; name the async function itself"
    ),
    "gen.py": (
        "'main' in 'gen.py' is an async generator: run an async function that iterates over it"
    ),
    "number.py": "'main' in 'number.py' is no function but 3; name an async function",
    "keyword.py": (
        "main() in 'keyword.py' needs the keyword argument 'x', which a command line cannot give; "
        "give it a default"
    ),
    "two.py": (
        "main() cannot be called with 0 arguments; run it so: rescind run two.py A B [C] [REST ...]"
    ),
    "syntax.py": (
        "cannot import 'syntax.py': '(' was never closed (syntax.py:1); correct it and run again"
    ),
    "needs.py": (
        "cannot import 'needs.py': it needs the module 'not_there', which is not installed in "
        "{prefix} (needs.py:1)"
    ),
    "name.py": (
        "cannot import 'name.py': ImportError: cannot import name 'nothing' from 'json' "
        "({json}) (name.py:1)"
    ),
    "nowhere:main": (
        "there is no module 'nowhere' in {folder} or among the installed packages; run this in the "
        "folder that contains it"
    ),
    "app.py:main": (
        "'app.py' is no module, but may be a file: to run a function of it, write app:FUNC"
    ),
    "app:serve": (
        "'app:serve' has no 'serve'; define 'async def serve(): ...', or run one of its own: "
        "app:main"
    ),
    "a b:main": "'a b:main' is neither a script nor MODULE:FUNC, such as app.jobs:main",
    "app:": "'app:' is neither a script nor MODULE:FUNC, such as app.jobs:main",
}

SOURCES = {
    "app.py": "async def main(): pass",
    "empty.py": "",
    "other.py": "async def serve(): pass",
    "plain.py": "def main(): pass",
    "made.py": "async def work(): pass\nmain = work()",
    "gen.py": "async def main(): yield 1",
    "number.py": "main = 3",
    "keyword.py": "async def main(*, x): pass",
    "two.py": "async def main(a, b, c=1, *rest): pass",
    "syntax.py": "print(",
    "needs.py": "import not_there",
    "name.py": "from json import nothing",
}


@pytest.mark.parametrize("named", BROKEN)
def test_program_that_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, command: Command, named: str
) -> None:
    """What is wrong, and what to do about it, stands on one line; the exit code is 2."""
    import json

    (tmp_path / "lib").mkdir()
    for name, source in SOURCES.items():
        write(tmp_path, source, name)
    said = BROKEN[named].format(folder=tmp_path, prefix=sys.prefix, json=json.__file__)
    assert (2, [], [f"rescind: error: {said}"]) == command("run", named)


def test_program_that_fails_while_it_is_loaded_shows_where(
    tmp_path: Path, command: Command
) -> None:
    """The module's own error comes with the traceback of the user's frames, then one line."""
    path = write(tmp_path, "def f():\n    raise OSError('disk')\n\nf()")
    assert (
        2,
        [],
        [
            "Traceback (most recent call last):",
            f'  File "{path}", line 4, in <module>',
            "    f()",
            f'  File "{path}", line 2, in f',
            "    raise OSError('disk')",
            "OSError: disk",
            "rescind: error: cannot import 'app.py': OSError: disk (app.py:2)",
        ],
    ) == _without_carets(command("run", "app.py"))


def test_missing_target_and_unknown_option_are_refused_in_one_line(command: Command) -> None:
    """What click finds wrong stands on one line too, with the way to the help."""
    said = "rescind: error: Missing argument 'SCRIPT|MODULE:FUNC'. See 'rescind run --help'."
    assert (2, [], [said]) == command("run")
    code, out, err = command("run", "--graec", "1", "app.py")
    assert (2, [], 1) == (code, out, len(err))
    assert err[0].startswith("rescind: error: No such option")  # the rest is click's wording
    assert err[0].endswith("See 'rescind run --help'.")


def test_main_that_is_canceled_by_its_own_program_says_by_whom(
    tmp_path: Path, command: Command
) -> None:
    """A main that was canceled without a signal exits with 1, and with the reason."""
    write(
        tmp_path,
        """
        import rescind

        async def main():
            rescind.current_task().cancel("enough")
            await rescind.never()
        """,
    )
    code, out, err = command("run", "app.py")
    assert (1, [], 1) == (code, out, len(err))
    assert err[0].startswith("rescind: main was canceled: explicit: enough, by task ")
    assert err[0].endswith(" 'main', at app.py:4")


def test_failure_of_a_task_that_nobody_joined_is_shown(tmp_path: Path) -> None:
    """A background task's error is written with its traceback, without rescind's frames."""
    source = """
        import rescind

        async def broken():
            raise ValueError("no luck")

        async def main():
            rescind.spawn(broken(), name="broken").detach()
            await rescind.sleep(0.001)
    """
    with running(tmp_path, source) as program:
        ended = program.end()
    assert (0, []) == ended
    first, *rest = program.errors()
    assert first.startswith("rescind: <Task ")
    assert [
        "Traceback (most recent call last):",
        f'  File "{tmp_path / "app.py"}", line 4, in broken',
        '    raise ValueError("no luck")',
        "ValueError: no luck",
    ] == rest


def test_overrun_of_a_task_that_main_left_is_reported(tmp_path: Path, command: Command) -> None:
    """A cleanup that outlasts the shutdown's grace is listed, and main's value still counts."""
    write(
        tmp_path,
        """
        import rescind

        async def lingering():
            try:
                await rescind.never()
            finally:
                await rescind.never()

        async def main():
            rescind.spawn(lingering(), name="lingering")
            await rescind.sleep(0.001)
            return 3
        """,
    )
    code, out, err = command("run", "--grace", "0.01", "app.py")
    assert (3, []) == (code, out)
    assert "rescind: cleanup that was not done in time was dropped:" == err[0]
    assert re.fullmatch(
        r"  lingering: \d+\.\d s after it was canceled it was still at app.py:7 in lingering",
        err[1],
    )
    assert "rescind: at the end:" == err[2]
    assert err[3].startswith("  1 task was still running when main ended, and was canceled: task ")
    assert err[3].endswith(" 'lingering'")


def test_failed_cleanup_of_a_task_that_main_left_is_reported(
    tmp_path: Path, command: Command
) -> None:
    """Its exception is named with the task, and the exit code stays main's."""
    write(
        tmp_path,
        """
        import rescind

        async def left():
            try:
                await rescind.never()
            finally:
                raise OSError("the disk is full")

        async def main():
            rescind.spawn(left(), name="left")
            await rescind.sleep(0.01)
        """,
    )
    code, _, err = command("run", "app.py")
    assert 0 == code
    assert "rescind: while the runtime was shut down, this failed:" == err[0]
    assert ["'left': OSError('the disk is full')"] == [
        line.split(maxsplit=2)[2] for line in err[1:2]
    ]
    assert err[3].endswith(" 'left'")
