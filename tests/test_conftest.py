"""The fixtures that every test relies on do what they say."""

from pathlib import Path

import pytest

from tests.conftest import HOSTS, HostFactory

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """Give a directory of tests with the same fixtures as this one."""
    pytester.makeconftest(CONFTEST.replace("THREAD_GRACE = 2.0", "THREAD_GRACE = 0.05"))
    pytester.makeini("[pytest]\nmarkers =\n    leaks_threads: on purpose\n")
    return pytester


def test_thread_left_behind_fails_the_test(inner: pytest.Pytester) -> None:
    """A thread that outlives its test is named."""
    inner.makepyfile("""
        import threading

        gate = threading.Event()

        def test_leak():
            threading.Thread(target=gate.wait, name="forgotten", daemon=True).start()

        def test_after():
            gate.set()
    """)

    result = inner.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*threads are left behind*forgotten*"])


def test_thread_left_behind_on_purpose_is_accepted(inner: pytest.Pytester) -> None:
    """The marker says that the thread is meant to stay."""
    inner.makepyfile("""
        import threading
        import pytest

        gate = threading.Event()

        @pytest.mark.leaks_threads("to show it")
        def test_leak():
            threading.Thread(target=gate.wait, daemon=True).start()

        def test_after():
            gate.set()
    """)

    result = inner.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2)


def test_changed_signals_fail_the_test_and_are_put_back(inner: pytest.Pytester) -> None:
    """A handler, the file that signals are written to, a mask: the next test has its own."""
    inner.makepyfile("""
        import signal
        import socket

        one, other = socket.socketpair()
        one.setblocking(False)

        def test_handler():
            signal.signal(signal.SIGTERM, lambda *_: None)

        def test_written_to():
            signal.set_wakeup_fd(one.fileno())

        def test_blocked():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        def test_after():
            assert signal.SIG_DFL == signal.getsignal(signal.SIGTERM)
            assert -1 == signal.set_wakeup_fd(-1)
            assert set() == signal.pthread_sigmask(signal.SIG_BLOCK, ())
            one.close()
            other.close()
    """)

    result = inner.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=4, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*signals are not as they were: SIGTERM is handled by*lambda*",
            "*signals are not as they were: they are written to *",
            "*signals are not as they were:*SIGTERM*are blocked, or no more*",
        ]
    )


def test_unraisable_exception_fails_the_test(inner: pytest.Pytester) -> None:
    """What a finalizer raises is shown, though nobody could catch it."""
    inner.makepyfile("""
        class Loud:
            def __del__(self):
                raise ValueError("from a finalizer")

        def test_finalizer():
            Loud()
    """)

    result = inner.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*nobody could catch*", "*from a finalizer*"])


def test_host_runs_a_test_over_every_host(host: HostFactory) -> None:
    """The fixture gives a factory that is named after its host."""
    assert host.name in HOSTS
