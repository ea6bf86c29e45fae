"""From ``FILE::FUNC`` or ``MODULE:FUNC`` to the `Scenario` that is checked.

*What it is.* The scenario is named; ``setup``, ``teardown``, ``TIMEOUT``, ``CLEANUP_WITHIN``,
``LOOP`` and every function whose name begins with ``invariant`` are taken from the same module.
Methods are named with their class, which is called without arguments: ``FILE::Class::method`` as in
pytest, or ``MODULE:Class.method``. What is wrong is said in one line, with what to do about it.

*What it is not.* A replacement for pytest: a test that needs fixtures is refused (`NeedsPytest`).

*Threads.* Any; imports.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rescind._core.errors import UsageError
from rescind._core.frames import own_file, shortened
from rescind.check.scenario import Scenario

__all__ = ["NeedsPytest", "NotFound", "load_scenario"]

_TIMEOUT = 5.0
_PARTS = ("_", "setup", "teardown", "invariant")


class NotFound(UsageError):
    """There is no such scenario, or it cannot be imported.

    Attributes:
        raised: what the user's own code raised while it was imported, if it did.
    """

    raised: BaseException | None = None


class NeedsPytest(NotFound):
    """It is a test that only pytest can make."""


def load_scenario(named: str, *, invariants: bool = True) -> Scenario:
    """Import what ``named`` names and return its scenario.

    Args:
        named: ``FILE::FUNC`` or ``MODULE:FUNC``; without a function, ``scenario``.
        invariants: take the module's invariants as well.

    Raises:
        NotFound: the message says what to do.
    """
    module, function = _module_of(named)
    body = _async_function(module, function, named)
    _check_arguments(body, function, named)
    timeout = _seconds(module, "TIMEOUT", "an uncanceled run", named)
    cleanup = _seconds(module, "CLEANUP_WITHIN", "the cleanup after a cancellation", named)
    promises = [
        value
        for name, value in vars(module).items()
        if invariants and name.startswith("invariant") and callable(value)
    ]
    return Scenario(
        body,
        _step(module, "setup", named),
        _step(module, "teardown", named),
        tuple(promises),
        _TIMEOUT if timeout is None else timeout,
        named,
        cleanup_within=cleanup,
        loop=_loop(module, named),
    )


def _loop(module: ModuleType, named: str) -> str:
    """Return the loop that a module asks for."""
    loop = getattr(module, "LOOP", "asyncio")
    if loop not in ("asyncio", "uvloop"):
        raise NotFound(f"LOOP in {named!r} must be 'asyncio' or 'uvloop', not {loop!r}")
    return str(loop)


def _seconds(module: ModuleType, name: str, what: str, named: str) -> float | None:
    """Return the seconds that a module promises; None: it says nothing."""
    seconds = getattr(module, name, None)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise NotFound(
            f"{name} in {named!r} must be the positive number of seconds that {what} may take, not "
            f"{seconds!r}"
        )
    return float(seconds)


def _module_of(named: str) -> tuple[ModuleType, str]:
    if named and Path(named).is_dir():
        raise NotFound(
            f"{named!r} is a directory; name a file in it, such as "
            f"{os.path.join(named, 'checks.py')}::checkout"
        )
    file, colons, function = named.partition("::")
    if colons or named.endswith(".py"):
        if "[" in function:
            raise NeedsPytest(
                f"{named!r} is a parametrized test, whose arguments pytest makes; run "
                f"pytest {named!r} --cancel-sweep"
            )
        return _from_file(file, named), function.replace("::", ".") or "scenario"
    name, _, function = named.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise NotFound(
            f"{named!r} is neither FILE::FUNC, such as tests/pool.py::checkout, nor MODULE:FUNC, "
            "such as app.checks:checkout"
        )
    _enter(os.getcwd())
    return _guarded(lambda: importlib.import_module(name), named), function or "scenario"


def _from_file(file: str, named: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise NotFound(f"there is no file {file!r} in {os.getcwd()}; check the path")
    path = path.resolve()
    _enter(str(path.parent))
    name = path.stem if path.stem.isidentifier() else "__rescind_check__"
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        name = f"__rescind_check_{abs(hash(str(path))):x}__"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotFound(f"{file!r} is no Python file: name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def execute() -> ModuleType:
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return _guarded(execute, named)


def _enter(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _guarded(load: Callable[[], ModuleType], named: str) -> ModuleType:
    try:
        return load()
    except SyntaxError as exc:
        place = shortened(f"{exc.filename}:{exc.lineno}")
        raise NotFound(f"cannot import {named!r}: {exc.msg} ({place}); correct it") from exc
    except ModuleNotFoundError as exc:
        if exc.name and f"{named.partition(':')[0]}.".startswith(f"{exc.name}."):
            raise NotFound(
                f"there is no module {exc.name!r} in {os.getcwd()} or among the installed "
                "packages; run this in the folder that contains it"
            ) from exc
        raise NotFound(
            f"cannot import {named!r}: it needs the module {exc.name!r}, which is not installed in "
            f"{sys.prefix}{_raised_at(exc)}"
        ) from exc
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # SystemExit, and pytest.skip() at the top of a file, too
        what = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
        found = NotFound(f"cannot import {named!r}: {what}{_raised_at(exc)}")
        found.raised = exc
        raise found from exc


def _raised_at(exc: BaseException) -> str:
    place = ""
    tb = exc.__traceback__
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if "importlib" not in file and not own_file(file):
            place = f" ({shortened(f'{file}:{tb.tb_lineno}')})"
        tb = tb.tb_next
    return place


def _async_function(module: ModuleType, name: str, named: str) -> Callable[..., Any]:
    found: Any = module
    owner: Any = None
    for part in name.split("."):
        if not hasattr(found, part):
            have = [
                key
                for key, value in vars(module).items()
                if inspect.iscoroutinefunction(value) and not key.startswith(_PARTS)
            ]
            if not have:
                raise NotFound(f"{named!r} has no {name!r}; write 'async def {name}(env): ...'")
            base = named if named.endswith(".py") else named.rpartition(":")[0].rstrip(":")
            between = "::" if "::" in named or named.endswith(".py") else ":"
            raise NotFound(
                f"{named!r} has no {name!r}; it has {', '.join(have)}: name one, such as "
                f"{base or named}{between}{have[0]}"
            )
        found = getattr(found, part)
        if inspect.isclass(found):
            owner = found
    if owner is not None and found is not owner:
        found = _bound(owner, found, name, named)
    if inspect.isasyncgenfunction(found):
        raise NotFound(f"{name!r} in {named!r} is an async generator: name an async function")
    if not callable(found):
        raise NotFound(f"{name!r} in {named!r} is no function but {found!r}")
    if not inspect.iscoroutinefunction(found) and not inspect.iscoroutinefunction(
        getattr(type(found), "__call__", None)  # noqa: B004 - the method is looked at
    ):
        raise NotFound(f"{name!r} in {named!r} is not async; write 'async def {name}'")
    return found  # type: ignore[no-any-return]


def _bound(owner: Any, method: Any, name: str, named: str) -> Any:
    """Return a function that calls a method on a new object of its class each time."""
    attribute = inspect.getattr_static(owner, method.__name__, None)
    if not inspect.isfunction(attribute):  # a static method, a class method: it is bound already
        return method
    if hasattr(owner, "_callTestMethod"):
        raise NeedsPytest(
            f"{name!r} in {named!r} is a test of unittest; run pytest {named!r} --cancel-sweep"
        )
    try:
        inspect.signature(owner).bind()
    except TypeError as exc:
        raise NotFound(
            f"{owner.__name__} in {named!r} must be callable without arguments ({exc}); write an "
            "async function that makes the object"
        ) from None
    except ValueError:
        pass  # nothing is known of its arguments
    if not inspect.iscoroutinefunction(method):
        return method

    @functools.wraps(method)
    async def on_new(*arguments: Any) -> Any:
        return await method(owner(), *arguments)

    bound: Any = on_new
    signature = inspect.signature(method)
    bound.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])
    return bound


def _check_arguments(body: Callable[..., Any], name: str, named: str) -> None:
    """Refuse what needs more than the env."""
    try:
        parameters = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    keywords = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    last = name.rpartition(".")[2]
    if last.startswith("test") and needed and needed != ["env"]:
        raise NeedsPytest(
            f"{name!r} in {named!r} needs the fixtures {', '.join(needed)}; run "
            f"pytest {named!r} --cancel-sweep"
        )
    if len(needed) > 1 or any(one in keywords for one in needed):
        raise NotFound(
            f"{name!r} in {named!r} needs the arguments {', '.join(needed)}; a scenario takes the "
            "env, or nothing: give the others defaults, or put them on the env in setup"
        )


def _step(module: ModuleType, name: str, named: str) -> Callable[..., Any] | None:
    step = getattr(module, name, None)
    if step is not None and not callable(step):
        raise NotFound(f"{name!r} in {named!r} must be a function, not {step!r}")
    return step
