"""The runtime's primitives: nothing is lost when one who waits for them is canceled."""

from rescind.sync.mutex import Mutex, MutexStatistics, Poisoned

__all__ = ["Mutex", "MutexStatistics", "Poisoned"]
