"""The runtime's primitives: nothing is lost when one who waits for them is canceled."""

from rescind.sync.barrier import Barrier, BarrierStatistics
from rescind.sync.broadcast import BroadcastReceiver, BroadcastSender, broadcast
from rescind.sync.broadcast_core import BroadcastStatistics, Lagged
from rescind.sync.channel import channel, unbounded
from rescind.sync.channel_core import ChannelStatistics
from rescind.sync.condition import Condition, ConditionStatistics
from rescind.sync.ends import Full, NotSent
from rescind.sync.event import Event, EventStatistics
from rescind.sync.mutex import Mutex, MutexStatistics, Poisoned
from rescind.sync.notify import Notified, Notify, NotifyStatistics
from rescind.sync.oncecell import OnceCell, OnceCellStatistics
from rescind.sync.oneshot import OneshotReceiver, OneshotSender, OneshotStatistics, oneshot
from rescind.sync.receiver import Receiver
from rescind.sync.rwlock import ReadOrWrite, RwLock, RwLockStatistics
from rescind.sync.semaphore import Permits, Semaphore, SemaphoreStatistics
from rescind.sync.sender import Permit, Sender, WeakSender
from rescind.sync.watch import WatchReceiver, WatchSender, watch
from rescind.sync.watch_core import WatchStatistics

__all__ = [
    "Barrier",
    "BarrierStatistics",
    "BroadcastReceiver",
    "BroadcastSender",
    "BroadcastStatistics",
    "ChannelStatistics",
    "Condition",
    "ConditionStatistics",
    "Event",
    "EventStatistics",
    "Full",
    "Lagged",
    "Mutex",
    "MutexStatistics",
    "NotSent",
    "Notified",
    "Notify",
    "NotifyStatistics",
    "OnceCell",
    "OnceCellStatistics",
    "OneshotReceiver",
    "OneshotSender",
    "OneshotStatistics",
    "Permit",
    "Permits",
    "Poisoned",
    "ReadOrWrite",
    "Receiver",
    "RwLock",
    "RwLockStatistics",
    "Semaphore",
    "SemaphoreStatistics",
    "Sender",
    "WatchReceiver",
    "WatchSender",
    "WatchStatistics",
    "WeakSender",
    "broadcast",
    "channel",
    "oneshot",
    "unbounded",
    "watch",
]
