cimport cython

from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.section cimport Section


cdef object PENDING


cdef class ChannelCore:
    cdef public Py_ssize_t _grants
    cdef public object _on_undelivered
    cdef public list _returned
    cdef public object capacity
    cdef public bint closed
    cdef public WaitList getters
    cdef public Py_ssize_t granted
    cdef public object name
    cdef public WaitList putters
    cdef public object queue
    cdef public Py_ssize_t receivers
    cdef public Py_ssize_t reserved
    cdef public Section section
    cdef public Py_ssize_t senders
    cdef public Py_ssize_t undelivered
    cdef public WaitList watchers

    @cython.locals(limit=Py_ssize_t)
    cpdef Py_ssize_t free(self) except? -1
    cpdef bint has_room(self, Py_ssize_t slots) except -1
    cpdef accept(self, value)
    @cython.locals(putters=WaitList, putter=Waiter)
    cpdef settle(self)
    @cython.locals(getters=WaitList)
    cpdef look_again(self)
    cpdef release(self, Py_ssize_t slots)
    cpdef take_one(self)
    @cython.locals(putter=Waiter)
    cpdef list take(self, Py_ssize_t limit)
    cpdef list collect(self, tuple gift, Py_ssize_t limit)
    cpdef give_back(self, tuple gift)
    @cython.locals(getter=Waiter)
    cdef bint _grant(self, tuple gift) except -1
    cpdef bint ended(self) except -1
    cpdef close(self)
    cpdef sender_gone(self)
    cpdef receiver_gone(self)


cdef _letter(Waiter putter)
