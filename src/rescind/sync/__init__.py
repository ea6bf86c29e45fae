"""The runtime's primitives: nothing is lost when one who waits for them is canceled."""

from rescind.sync.channel import channel, unbounded
from rescind.sync.channel_core import ChannelStatistics
from rescind.sync.ends import Full, NotSent
from rescind.sync.mutex import Mutex, MutexStatistics, Poisoned
from rescind.sync.receiver import Receiver
from rescind.sync.sender import Permit, Sender, WeakSender

__all__ = [
    "ChannelStatistics",
    "Full",
    "Mutex",
    "MutexStatistics",
    "NotSent",
    "Permit",
    "Poisoned",
    "Receiver",
    "Sender",
    "WeakSender",
    "channel",
    "unbounded",
]
