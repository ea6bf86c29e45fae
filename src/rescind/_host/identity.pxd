from rescind._core.coroutine cimport CoroutineFuture


cdef class Identity:
    cdef object __weakref__
    cdef dict __dict__
    cdef public CoroutineFuture _driver
    cdef public object _coro
    cdef public object _loop
    cdef public object _label
    cdef public object _entry
    cdef public int _cancel_count
    cdef public bint _ours_taken
    cdef public bint _just_taken
    cdef public object _message
    cdef public bint _must_cancel
    cdef public object awaited
    cdef public object _callbacks

    cpdef take_request(self)
    cpdef retire(self)
