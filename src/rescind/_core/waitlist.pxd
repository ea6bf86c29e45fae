cdef class Waiter:
    cdef public object waker
    cdef public object wants
    cdef public object given
    cdef public bint woken
    cdef public Py_ssize_t ticket
    cdef public WaitList _list
    cdef public Waiter _prev
    cdef public Waiter _next


cdef class WaitList:
    cdef public Waiter _first
    cdef public Waiter _last
    cdef public Py_ssize_t _length
    cdef public Py_ssize_t _tickets

    cpdef leave(self, Waiter waiter)
    cpdef wake_one(self)
    cpdef wake(self, Waiter waiter, given=*)
    cpdef wake_all(self, given=*)
    cpdef _link(self, Waiter waiter)
    cpdef bint _unlink(self, Waiter waiter)
