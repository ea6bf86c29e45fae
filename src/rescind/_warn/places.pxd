# Compiled: it is asked where each cancellation is raised.

from rescind._core._native cimport marked


cpdef tuple mark(coroutine)
