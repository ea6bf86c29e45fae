cimport cython

from rescind._core.cell cimport wake_up


cdef object _KEPT


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
    cdef public Waiter first
    cdef public Waiter last
    cdef public Py_ssize_t _length
    cdef public Py_ssize_t _tickets

    @cython.locals(waiter=Waiter)
    cpdef Waiter join(self, waker, wants=*, given=*)
    cpdef bint move(self, Waiter waiter, WaitList to) except -1
    cpdef leave(self, Waiter waiter)
    @cython.locals(waiter=Waiter)
    cpdef wake_one(self)
    cpdef wake(self, Waiter waiter, given=*)
    cpdef pick(self, Waiter waiter, given=*)
    @cython.locals(waiter=Waiter)
    cpdef wake_all(self, given=*)
    @cython.locals(last=Waiter)
    cpdef _link(self, Waiter waiter)
    @cython.locals(before=Waiter, after=Waiter)
    cpdef bint _unlink(self, Waiter waiter)


cdef inline Waiter new_waiter(waker, wants, given):
    """Make one without a call through Python."""
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter.waker = waker
    waiter.wants = wants
    waiter.given = given
    return waiter


cdef inline WaitList new_list():
    """Make an empty one without a call through Python."""
    return WaitList.__new__(WaitList)
