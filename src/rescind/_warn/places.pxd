# Compiled: it is asked where each cancellation is raised.


cpdef tuple mark(coroutine)
