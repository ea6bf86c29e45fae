from rescind._core._native cimport is_new
from rescind._core.coroutine cimport CoroutineFuture, driving
from rescind._core.poll cimport Future, check_new, take

cpdef Future as_future(awaitable)
