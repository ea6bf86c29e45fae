"""From ``SCRIPT`` or ``MODULE:FUNC`` to the async function that is run, with its arguments.

*What it is.* Everything that can be wrong about what the user named is found here, before anything
runs, and said in one line with what to do about it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from rescind._core.frames import shortened
from rescind.cli import say

__all__ = ["Refused", "Target", "load"]

_SCRIPT_NAME: Final = "__rescind_main__"
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


class Refused(click.ClickException):
    """The command cannot be carried out as it was given."""

    exit_code = 2


@dataclass(frozen=True)
class Target:
    """What is run.

    Attributes:
        named: as the user named it.
        function: the async function.
        arguments: what it is called with.
    """

    named: str
    function: Callable[..., Coroutine[Any, Any, object]]
    arguments: tuple[str, ...]


def load(named: str, arguments: tuple[str, ...], *, debug: bool = False) -> Target:
    """Import what the user named, and check that it can be run with these arguments.

    It sees ``sys.argv`` and ``sys.path[0]`` as if Python itself ran it.

    Raises:
        Refused: it cannot; the message says why, and what to do.
    """
    module_name, colon, function_name = named.rpartition(":")
    path: Path | None = None
    if named.endswith(".py") or os.path.exists(named) or not colon:
        path, function_name = _script(named), "main"
        _enter(str(path.parent), str(path), arguments)
    else:
        if not all(part.isidentifier() for part in module_name.split(".")) or not function_name:
            raise Refused(f"{named!r} is neither a script nor MODULE:FUNC, such as app.jobs:main")
        _enter(os.getcwd(), named, arguments)
    try:
        module = _load_script(path) if path else importlib.import_module(module_name)
    except Exception as exc:
        raise _not_loaded(exc, named if path else module_name, debug) from exc
    function = _function(module, function_name, named)
    return Target(named, function, _arguments(function, function_name, named, arguments))


def _script(named: str) -> Path:
    path = Path(named)
    if path.is_dir():
        raise Refused(
            f"{named!r} is a folder; name a script in it, such as {named.rstrip('/')}/app.py"
        )
    if path.is_file():
        return path.resolve()
    if named.endswith(".py"):
        raise Refused(f"there is no file {named!r} in {os.getcwd()}; check the path")
    hint = f"{named}.py" if Path(f"{named}.py").is_file() else f"{named}:main"
    raise Refused(
        f"there is no file {named!r}; name a script or MODULE:FUNC: did you mean {hint!r}?"
    )


def _enter(folder: str, program: str, arguments: tuple[str, ...]) -> None:
    sys.argv[:] = [program, *arguments]
    if sys.flags.safe_path:
        sys.path.insert(0, folder)
    else:
        sys.path[0] = folder
    importlib.invalidate_caches()


def _load_script(path: Path) -> ModuleType:
    """Load the script as an import would: its ``__name__`` is not ``__main__``.

    It is known under the name of its file, so that what it defines can be pickled, unless that
    name is taken.
    """
    name = path.stem
    if not name.isidentifier() or name in sys.modules or name in sys.stdlib_module_names:
        name = _SCRIPT_NAME
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _not_loaded(exc: Exception, named: str, debug: bool) -> Refused:
    """Say why it could not be loaded; where its own code raised, show the traceback first."""
    if isinstance(exc, ModuleNotFoundError) and exc.name is not None:
        if f"{named}.".startswith(f"{exc.name}."):
            if exc.name.endswith(".py"):
                return Refused(
                    f"{exc.name!r} is no module, but may be a file: to run a function of it, write "
                    f"{exc.name.removesuffix('.py').replace(os.sep, '.')}:FUNC"
                )
            return Refused(
                f"there is no module {exc.name!r} in {os.getcwd()} or among the installed "
                "packages; run this in the folder that contains it"
            )
        return Refused(
            f"cannot import {named!r}: it needs the module {exc.name!r}, which is not installed "
            f"in {sys.prefix}{_raised_at(exc)}"
        )
    if isinstance(exc, SyntaxError):
        place = f"{shortened(exc.filename or named)}:{exc.lineno}"
        return Refused(f"cannot import {named!r}: {exc.msg} ({place}); correct it and run again")
    what = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
    if not isinstance(exc, ImportError):
        say.write(say.traceback_of(exc, full=debug))
    return Refused(f"cannot import {named!r}: {what}{_raised_at(exc)}")


def _raised_at(exc: Exception) -> str:
    """Return the innermost place in the user's own files."""
    place = ""
    tb = exc.__traceback__
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not say.is_ours(file):
            place = f" ({shortened(f'{file}:{tb.tb_lineno}')})"
        tb = tb.tb_next
    return place


def _function(
    module: ModuleType, name: str, named: str
) -> Callable[..., Coroutine[Any, Any, object]]:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise Refused(
                f"{named!r} has no {name!r}; define 'async def {name}(): ...'"
                + _others(module, named, name)
            )
        found = getattr(found, part)
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(_call_of(found)):
        function: Callable[..., Coroutine[Any, Any, object]] = found
        return function
    if inspect.iscoroutine(found):
        found.close()
        what = "a coroutine that was made already; name the async function itself"
    elif inspect.isasyncgenfunction(found):
        what = "an async generator: run an async function that iterates over it"
    elif callable(found):
        what = f"not async; write 'async def {name}'"
    else:
        what = f"no function but {found!r}; name an async function"
    raise Refused(f"{name!r} in {named!r} is {what}")


def _call_of(found: object) -> object:
    """Return the method that is run when an object is called, for objects that are no functions."""
    return getattr(type(found), "__call__", None)  # noqa: B004 - the method is looked at


def _others(module: ModuleType, named: str, name: str) -> str:
    """Name the async functions that the module does have."""
    have = [
        key
        for key, value in vars(module).items()
        if inspect.iscoroutinefunction(value)
        and value.__module__ == module.__name__
        and not key.startswith("_")
    ]
    if not have or "." in name:
        return ""
    base = named.rpartition(":")[0] or module.__name__
    return f", or run one of its own: {', '.join(f'{base}:{key}' for key in have[:3])}"


def _arguments(
    function: Callable[..., object], name: str, named: str, arguments: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the arguments that the function is called with: all, or, if it takes none, none."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    given = arguments if any(one.kind in _POSITIONAL for one in parameters) else ()
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty:
            raise Refused(
                f"{name}() in {named!r} needs the keyword argument {one.name!r}, which a command "
                "line cannot give; give it a default"
            )
    try:
        signature.bind(*given)
    except TypeError:
        usage = " ".join(["rescind run", named, *_usage(parameters)])
        count = f"{len(given)} argument{'' if len(given) == 1 else 's'}"
        raise Refused(f"{name}() cannot be called with {count}; run it so: {usage}") from None
    return given


def _usage(parameters: list[inspect.Parameter]) -> list[str]:
    words: list[str] = []
    for one in parameters:
        word = one.name.upper()
        if one.kind is one.VAR_POSITIONAL:
            words.append(f"[{word} ...]")
        elif one.kind in _POSITIONAL:
            words.append(word if one.default is one.empty else f"[{word}]")
    return words
