"""Work that is not async: blocking functions in threads, heavy ones in processes, and commands."""

from rescind.blocking.inside import (
    block_on,
    cancel_reason,
    canceled,
    check_canceled,
    wait_canceled,
)
from rescind.blocking.pool import ThreadPool, ThreadPoolStatistics
from rescind.blocking.threads import spawn_blocking, thread_pool

__all__ = [
    "ThreadPool",
    "ThreadPoolStatistics",
    "block_on",
    "cancel_reason",
    "canceled",
    "check_canceled",
    "spawn_blocking",
    "thread_pool",
    "wait_canceled",
]
