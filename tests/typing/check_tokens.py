"""Tokens keep the type of what they guard."""

from typing import assert_type

from rescind import (
    Canceled,
    CancellationToken,
    CancelReason,
    Completed,
    Error,
    Registration,
    TokenStatistics,
    ready,
)
from rescind.lowlevel import Future


async def number() -> int:
    """Return a number."""
    return 1


def making(token: CancellationToken) -> None:
    """Every way to make a token gives a token; a block gives the token itself."""
    assert_type(CancellationToken(), CancellationToken)
    assert_type(token.child(), CancellationToken)
    assert_type(token.child(timeout=1), CancellationToken)
    assert_type(CancellationToken.after(1.5), CancellationToken)
    assert_type(CancellationToken.linked(token, token), CancellationToken)
    with token.child() as child, CancellationToken.linked(token, child) as linked:
        assert_type(child, CancellationToken)
        assert_type(linked, CancellationToken)


def state(token: CancellationToken) -> None:
    """What a token says of itself."""
    assert_type(token.cancel("why"), bool)
    assert_type(token.cancel(CancelReason()), bool)
    assert_type(token.canceled, bool)
    assert_type(token.reason, CancelReason | None)
    assert_type(token.reasons, tuple[CancelReason, ...])
    assert_type(token.statistics(), TokenStatistics)
    registration = token.on_cancel(lambda reason: reason.message)
    assert_type(registration, Registration)
    assert_type(registration.remove(), bool)
    with token.on_cancel(print) as within:
        assert_type(within, Registration)


async def futures(token: CancellationToken) -> None:
    """A guard keeps the type of the value, `run_until_canceled` of the outcome."""
    assert_type(token.wait(), Future[CancelReason])
    assert_type(token.guard(number()), Future[int])
    assert_type(await token.guard(number(), grace=None), int)
    assert_type(await token.guard(ready("text")), str)
    assert_type(token.run_until_canceled(number()), Future[Completed[int] | Error | Canceled])
    match await token.run_until_canceled(number(), grace=1):
        case Completed(value):
            assert_type(value, int)
        case Error(exception):
            assert_type(exception, BaseException)
        case Canceled(reason):
            assert_type(reason, CancelReason)
