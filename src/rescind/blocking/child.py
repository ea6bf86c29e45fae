"""What runs in the process of `spawn_process`: read a call, make it, write what came of it.

*What it is.* A script, started by its path. It imports nothing of rescind, so that it starts fast.

*The protocol.* Standard input holds two pickles: how to prepare (the module path, the arguments,
the main module), and the call. The descriptor in the first argument gets one frame: eight bytes of
length, then the pickle of a tuple: ``("value", value)``, ``("error", pickled exception or None,
summary, traceback)``, ``("unloadable", summary, traceback)`` or ``("unpicklable", summary)``.

*Threads.* The main one.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import traceback
from typing import Any

__all__ = ["main"]


class _Calls(pickle.Unpickler):
    """Reads the call; imports the program's main module if, and only if, the call refers to it."""

    def __init__(self, data: bytes, main_name: str | None, main_path: str | None) -> None:
        super().__init__(io.BytesIO(data))
        self._name = main_name
        self._path = main_path
        # Was the main module imported? Its name in ``sys.modules`` does not tell: multiprocessing,
        # if anything imports that, enters this script under it.
        self._imported = False

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name == "__main__":
            module_name = self._import_main()
        return super().find_class(module_name, global_name)

    def _import_main(self) -> str:
        """Run the main module under the name that keeps ``if __name__ == "__main__"`` out."""
        import runpy
        import types

        known = "__mp_main__"
        if self._imported:
            return known
        self._imported = True
        if self._name is None and self._path is None:
            raise pickle.UnpicklingError(
                "it is defined in a main module that is no file (an interactive session, or "
                "python -c); move it to a module"
            )
        module = types.ModuleType(known)
        sys.modules[known] = sys.modules["__main__"] = module
        if self._name is not None:
            content = runpy.run_module(self._name, run_name=known, alter_sys=True)
        else:
            assert self._path is not None
            content = runpy.run_path(self._path, run_name=known)
        module.__dict__.update(content)
        return known


def _call(prepare: dict[str, Any], data: bytes) -> tuple[Any, ...]:
    sys.path[:] = prepare["path"]
    sys.argv[:] = prepare["argv"]
    try:
        fn, args, kwargs = _Calls(data, prepare["main_name"], prepare["main_path"]).load()
    except Exception as exc:
        return "unloadable", f"{type(exc).__qualname__}: {exc}", traceback.format_exc()
    try:
        value = fn(*args, **kwargs)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        return _error(exc)
    return "value", value


def _error(exc: BaseException) -> tuple[Any, ...]:
    traceback_ = exc.__traceback__
    if traceback_ is not None:
        traceback_ = traceback_.tb_next  # without this script's own frame
    text = "".join(traceback.format_exception(type(exc), exc, traceback_))
    summary = "".join(traceback.format_exception_only(type(exc), exc)).strip()
    try:
        pickled = pickle.dumps(exc)
        pickle.loads(pickled)  # many that can be written cannot be read
    except Exception:
        pickled = None
    return "error", pickled, summary, text


def _frame(result: tuple[Any, ...]) -> bytes:
    try:
        data = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as exc:
        what = f"{type(result[1]).__qualname__}: {type(exc).__qualname__}: {exc}"
        data = pickle.dumps(("unpicklable", what))
    return len(data).to_bytes(8, "big") + data


def main() -> None:
    """Read the call, make it, write what came of it, and end."""
    writer = int(sys.argv[1])
    os.set_inheritable(writer, False)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever the program does about it
    with open(0, "rb", closefd=False) as calls:
        prepare = pickle.load(calls)
        data = calls.read()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        view = memoryview(_frame(_call(prepare, data)))
    except KeyboardInterrupt:
        _flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return
    except SystemExit as exc:
        if exc.code is not None and not isinstance(exc.code, int):
            sys.stderr.write(f"{exc.code}\n")
        _flush()
        os._exit(0 if exc.code is None else exc.code if isinstance(exc.code, int) else 1)
    _flush()  # before the result: who gets that ends this process
    while view:
        view = view[os.write(writer, view) :]
    os._exit(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed by the function, or by whoever read it


if __name__ == "__main__":
    main()
