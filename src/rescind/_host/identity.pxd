from rescind._core._native cimport flag, without_attributes
from rescind._core.coroutine cimport CoroutineFuture
from rescind._host.current_task cimport register, unregister


cdef class Identity:
    cdef object __weakref__
    cdef dict __dict__
    cdef public CoroutineFuture _driver
    cdef public object _coro
    cdef public object _loop
    cdef public object _label
    cdef public object _entry
    cdef public object _message
    cdef public object awaited
    cdef public object _callbacks
    cdef public int _cancel_count
    cdef public flag _just_taken
    cdef public flag _must_cancel
    cdef public flag _ours_taken

    cpdef take_request(self)
    cpdef retire(self)


cdef inline Identity new_identity(CoroutineFuture driver, loop, label):
    """Make one without a call through Python."""
    cdef Identity identity = Identity.__new__(Identity)
    without_attributes(identity)
    identity._driver = driver
    identity._coro = driver._coro
    identity._loop = loop
    identity._label = label
    return identity
