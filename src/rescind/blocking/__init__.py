"""Work that is not async: blocking functions in threads, heavy ones in processes, and commands."""

from rescind.blocking.commands import Process, ProcessResult, open_process, run_process
from rescind.blocking.inside import (
    block_on,
    cancel_reason,
    canceled,
    check_canceled,
    token,
    wait_canceled,
)
from rescind.blocking.pool import ThreadPool, ThreadPoolStatistics
from rescind.blocking.processes import spawn_process
from rescind.blocking.streams import ByteReceiver, ByteSender
from rescind.blocking.threads import spawn_blocking, thread_pool

__all__ = [
    "ByteReceiver",
    "ByteSender",
    "Process",
    "ProcessResult",
    "ThreadPool",
    "ThreadPoolStatistics",
    "block_on",
    "cancel_reason",
    "canceled",
    "check_canceled",
    "open_process",
    "run_process",
    "spawn_blocking",
    "spawn_process",
    "thread_pool",
    "token",
    "wait_canceled",
]
