from rescind._core.waitlist cimport WaitList
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING


cdef class Place:
    cdef public Py_ssize_t next


cdef class _Slot:
    cdef public Py_ssize_t unseen
    cdef public object value


cdef class BroadcastCore:
    cdef public Py_ssize_t capacity
    cdef public Py_ssize_t first
    cdef public WaitList getters
    cdef public object name
    cdef public Py_ssize_t receivers
    cdef public Section section
    cdef public Py_ssize_t senders
    cdef public object slots
    cdef public WaitList watchers

    cpdef send(self, value)
    @cython.locals(missed=Py_ssize_t, slot=_Slot)
    cpdef take(self, Place place)
    @cython.locals(oldest=_Slot)
    cdef _seen(self, _Slot slot)
    cdef _forget(self)
