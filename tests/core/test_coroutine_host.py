"""What a host with a world of its own may do to a coroutine: identities, requests, shields."""

import asyncio
import types
from typing import Any

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed
from rescind._core.frames import name_of
from rescind.lowlevel import PENDING, Context, CoroutineFuture, ManualHost
from rescind.testing import CountingWaker, poll_cancel_once
from tests.core.kit import Bench, Leaf, SlowLeaf, request


class IdentityHost(ManualHost):
    """A manual host with identities, which are plain records, and with requests and shields."""

    def __init__(self) -> None:
        super().__init__()
        self.trace: list[str] = []
        self.now_running: Any = None
        self.swap = self.swap_identity
        self.asked: BaseException | None = None
        self.shield = False

    def identify(self, coroutine: Any, cell: Any, label: object, root: bool) -> Any:
        name = name_of(coroutine.coroutine) if label is None else label
        self.trace.append(f"identify {name} root={root}")
        return types.SimpleNamespace(name=name, set_name=self.set_name)

    def set_name(self, name: str) -> None:
        self.trace.append(f"rename {name}")

    def swap_identity(self, identity: Any) -> Any:
        previous, self.now_running = self.now_running, identity
        self.trace.append(f"run {None if identity is None else identity.name}")
        return previous

    def retire(self, identity: Any) -> None:
        self.trace.append(f"retire {identity.name}")

    def foreign_request(self, identity: Any) -> BaseException | None:
        asked, self.asked = self.asked, None
        return asked

    def shielded(self, identity: Any) -> bool:
        return self.shield


class HostBench(Bench):
    """A bench whose host has identities, and a context on it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = IdentityHost()
        self.executor.host = self.world
        self.cx = Context(CountingWaker(), self.executor)

    def ask(self, fut: CoroutineFuture[Any], exc: BaseException) -> None:
        """Ask as the host's world does."""
        self.world.asked = exc
        fut.attention = True


def test_identity_is_entered_for_each_step_and_retired_at_the_end() -> None:
    """D6: asked for once, swapped in around each step, the previous one put back."""
    host = IdentityHost()
    with rescind.Runtime(host=host) as rt:

        async def main() -> str:
            await rescind.sleep(1)
            me: str = host.now_running.name
            return me

        task = rt.spawn(main(), name="me")
        assert "me" == rt.block_on(task.join()).unwrap()
        mine = ["identify me root=True", "run me", "run None", "run me", "run None", "retire me"]
        assert mine == host.trace


def test_coroutine_is_closed_under_its_identity() -> None:
    """D6: a drop runs code of the coroutine, so that is who runs then."""
    with HostBench() as bench:
        who: list[str] = []

        async def main() -> None:
            try:
                await Leaf()
            finally:
                who.append(bench.world.now_running.name)

        fut = CoroutineFuture(main())
        fut.poll(bench.cx)
        fut.rename("renamed")
        fut.drop()
        name = main.__qualname__
        assert ([name], None, name) == (who, bench.world.now_running, fut.identity.name)
        assert [
            f"identify {name} root=False",
            *(f"run {name}", "run None", "rename renamed"),
            *(f"run {name}", "run None", f"retire {name}"),
        ] == bench.world.trace


def test_coroutine_without_a_host_has_no_identity() -> None:
    """By hand there is nobody to be; renaming is harmless."""

    async def main() -> None: ...

    coro = main()
    fut = CoroutineFuture(coro)
    fut.rename("x")
    assert (None, coro, f"<coroutine {main.__qualname__}>") == (
        fut.identity,
        fut.coroutine,
        repr(fut),
    )
    fut.drop()


def test_request_of_the_hosts_world_is_raised_as_it_is() -> None:
    """R29: its own exception at the parked await, once; ours is not involved."""
    with HostBench() as bench:
        caught: list[BaseException] = []
        trace: list[str] = []

        async def main() -> object:
            try:
                await Leaf("first", trace)
            except asyncio.CancelledError as exc:
                caught.append(exc)
            return await second

        fut, second = CoroutineFuture(main()), Leaf("second", trace)
        fut.poll(bench.cx)
        foreign = asyncio.CancelledError("from asyncio")
        bench.ask(fut, foreign)
        assert [PENDING, PENDING] == [fut.poll(bench.cx) for _ in range(2)]
        second.complete("went on")
        assert ("went on", [foreign], False) == (fut.poll(bench.cx), caught, fut.delivered())
        assert [
            *("first: poll", "first: poll", "first: cancel", "first: drop"),
            *["second: poll"] * 3,
        ] == trace


def test_request_of_the_hosts_world_loses_no_value() -> None:
    """R7 on the other channel: a leaf that has its output delivers it first."""
    with HostBench() as bench:

        async def main() -> object:
            got = await leaf
            try:
                await Leaf()
            except asyncio.CancelledError as exc:
                return got, str(exc)
            return "unreachable"

        leaf = Leaf()
        fut = CoroutineFuture(main())
        fut.poll(bench.cx)
        bench.ask(fut, asyncio.CancelledError("later"))
        leaf.complete("value")
        assert ("value", "later") == fut.poll(bench.cx)


def test_reason_given_to_the_leaf_is_foreign() -> None:
    """R14: what is canceled further in learns that another world asked, and with which words."""
    with HostBench() as bench:
        seen: list[CancelReason] = []

        class Seeing(Leaf):
            def poll_cancel(self, cx: Context, request: Any) -> Any:
                seen.append(request.reason)
                return super().poll_cancel(cx, request)

        async def main(leaf: Leaf) -> None:
            await leaf

        for words in ("why", ""):
            fut = CoroutineFuture(main(Seeing()))
            fut.poll(bench.cx)
            bench.ask(fut, asyncio.CancelledError(*([words] if words else [])))
            try:
                fut.poll(bench.cx)
            except asyncio.CancelledError:
                seen.append(CancelReason(message="raised"))
        raised = CancelReason(message="raised")
        assert [
            *(CancelReason(CancelKind.FOREIGN, "why"), raised),
            *(CancelReason(CancelKind.FOREIGN), raised),
        ] == seen


def test_cleanup_errors_further_in_are_kept_with_the_foreign_exception() -> None:
    """R15: nothing that a cleanup raised is lost, whoever had asked."""
    with HostBench() as bench:
        slow, failure = SlowLeaf(), ValueError("in the leaf")
        caught: list[BaseException] = []

        async def main() -> None:
            try:
                await slow
            except asyncio.CancelledError as exc:
                caught.append(exc)

        fut = CoroutineFuture(main())
        fut.poll(bench.cx)
        bench.ask(fut, asyncio.CancelledError())
        assert PENDING is fut.poll(bench.cx)
        slow.settle(Canceled(request().reason, (failure,)))
        fut.poll(bench.cx)
        assert [[f"while cleaning up: {failure!r}"]] == [exc.__notes__ for exc in caught]


def test_shield_of_the_hosts_world_holds_our_request_back() -> None:
    """R30: as long as an anyio scope shields, our request waits; then the next park delivers it."""
    with HostBench() as bench:

        async def main() -> object:
            return await leaf

        leaf, ask = Leaf(), request()
        fut = CoroutineFuture(main())
        bench.world.shield = True
        fut.poll(bench.cx)
        held = [poll_cancel_once(fut, bench.cx, ask) for _ in range(2)]
        bench.world.shield = False
        assert ([PENDING] * 2, Canceled(ask.reason)) == (
            held,
            poll_cancel_once(fut, bench.cx, ask),
        )


def test_shield_of_the_hosts_world_lets_a_value_through() -> None:
    """R30: what completes under the shield completes."""
    with HostBench() as bench:

        async def main() -> object:
            return await leaf

        leaf = Leaf()
        fut = CoroutineFuture(main())
        bench.world.shield = True
        fut.poll(bench.cx)
        assert PENDING is poll_cancel_once(fut, bench.cx)
        leaf.complete(1)
        assert Completed(1) == poll_cancel_once(fut, bench.cx)
