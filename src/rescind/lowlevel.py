"""For authors of futures, combinators and primitives: the poll protocol and its parts."""

from rescind._core.coroutine import CoroutineFuture
from rescind._core.executor import Executor
from rescind._core.grace import UNSET
from rescind._core.hooks import Observer, actor, hooks
from rescind._core.hostport import Host
from rescind._core.into import as_future
from rescind._core.intofuture import IntoFuture
from rescind._core.leftover import Leftover
from rescind._core.phase import Phase
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending, Waker
from rescind._core.reason import CancelRequest
from rescind._core.resources import Resource
from rescind._core.timers import Timer, Timers
from rescind._core.waitlist import Waiter, WaitList
from rescind._host.manual import ManualHost
from rescind.combinators.children import Child, Children
from rescind.tasks.current import effective_deadline

__all__ = [
    "PENDING",
    "UNSET",
    "CancelRequest",
    "Child",
    "Children",
    "Context",
    "CoroutineFuture",
    "Executor",
    "Future",
    "Host",
    "IntoFuture",
    "ManualHost",
    "NoopWaker",
    "Observer",
    "Leftover",
    "Pending",
    "Phase",
    "Resource",
    "Timer",
    "Timers",
    "WaitList",
    "Waiter",
    "Waker",
    "actor",
    "as_future",
    "effective_deadline",
    "hooks",
]
