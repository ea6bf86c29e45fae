"""What every test has: the hosts to run over, and a look at what it leaves behind."""

import asyncio
import gc
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from rescind import Runtime

HOSTS = ("manual", "asyncio", "asyncio-debug", "uvloop")

# Every run tries the same examples, so that what passed once passes again; how long one takes says
# nothing on a machine that is busy. `--hypothesis-profile random` tries others each time, and
# `thorough` twenty times as many.
_STEADY: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
}
settings.register_profile("steady", derandomize=True, database=None, **_STEADY)
settings.register_profile("random", **_STEADY)
settings.register_profile("thorough", max_examples=2000, **_STEADY)
settings.load_profile("steady")

# A shell that starts the suite in the background has it ignore Ctrl-C, which some tests are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a machine that is busy with other things any poll may be slow: what is warned of by default is
# tested where it is switched on, and nowhere else. Programs that tests run inherit this.
os.environ.setdefault("RESCIND_WARN", "0")

#: How long a thread that has been told to end may take to do so.
THREAD_GRACE = 2.0


@dataclass(frozen=True)
class HostFactory:
    """Make a fresh runtime on the host of this name, with the options of `Runtime`."""

    name: str

    def __call__(self, **options: Any) -> "Runtime":
        """Make the runtime; leaving its `with` block shuts it down."""
        from rescind import Runtime

        return Runtime(host=self._host(), **options)

    def _host(self) -> Any:
        if self.name == "manual":
            from rescind._host.manual import ManualHost

            return ManualHost()
        if self.name == "asyncio-debug":
            return _debug_loop
        return self.name


def _debug_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    # It would log what the machine held up for a tenth of a second; tests count what is logged.
    loop.slow_callback_duration = float("inf")
    return loop


@pytest.fixture(scope="module", autouse=True)
def cheap_collections() -> None:
    """Keep what is loaded out of later collections: many tests ask for one, and it is a lot.

    For each module anew: what was loaded since is a lot, too; a sweep of the checker's undoes it.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test once on each host: `with host() as runtime: ...`."""
    name: str = request.param
    if name == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    return HostFactory(name)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a signal's handler, or an exception nobody could catch."""
    unraisable: list[str] = []

    def note(unraised: "sys.UnraisableHookArgs") -> None:
        # Text only: to keep the exception or the object would keep their frames alive.
        message = unraised.err_msg or "Exception ignored in"
        unraisable.append(f"{message}: {unraised.object!r}: {unraised.exc_value!r}")

    threads = set(threading.enumerate())
    signals = _Signals()
    hook, sys.unraisablehook = sys.unraisablehook, note
    try:
        yield
    finally:
        sys.unraisablehook = hook

    changed = signals.put_back()
    if changed:
        pytest.fail(f"signals are not as they were: {', '.join(changed)}", pytrace=False)
    left = [] if request.node.get_closest_marker("leaks_threads") else _left(threads)
    if left:
        pytest.fail(f"threads are left behind: {', '.join(map(repr, left))}", pytrace=False)
    if unraisable:
        pytest.fail("\n".join(["exceptions nobody could catch:", *unraisable]), pytrace=False)


class _Signals:
    """What becomes of signals: a test that changed it could keep later ones from being told."""

    def __init__(self) -> None:
        self.handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self.written_to = _signals_are_written_to()
        self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def put_back(self) -> list[str]:
        """Let all be as it was; name what was not."""
        found: list[str] = []
        for number, handler in self.handlers.items():
            now = signal.getsignal(number)
            if now != handler:
                signal.signal(number, handler)
                found.append(f"{number.name} is handled by {now!r}")
        now = _signals_are_written_to()
        if now != self.written_to:
            signal.set_wakeup_fd(self.written_to)
            found.append(f"they are written to {now}")
        now = signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
        if now != self.blocked:
            found.append(f"{now ^ self.blocked} are blocked, or no more")
        return found


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _signals_are_written_to() -> int:
    """Return the file that signals are written to; -1: to none."""
    place = signal.set_wakeup_fd(-1)
    try:
        signal.set_wakeup_fd(place)
    except (OSError, ValueError):  # it is closed, and does nobody any good
        return -1
    return place


def _left(before: set[threading.Thread]) -> list[threading.Thread]:
    """Name the threads that have begun since, after a moment for those that are about to end."""
    until = monotonic() + THREAD_GRACE
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        # A thread that was not started by `threading` has no end that could be waited for.
        if not isinstance(thread, threading._DummyThread):
            thread.join(max(0.0, until - monotonic()))
    return [thread for thread in started if thread.is_alive()]
