from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.operation cimport Operation
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING
cdef object _CLOSED


cdef class Barrier:
    cdef object __weakref__
    cdef public bint _closed
    cdef public Py_ssize_t _generation
    cdef public Py_ssize_t _parties
    cdef public Section _section
    cdef public WaitList _waiting
    cdef public object name

    cpdef _close(self)
    cpdef _arrive(self)
    @cython.locals(waiter=Waiter, index=Py_ssize_t, latest=Py_ssize_t)
    cpdef _let_go_on(self)


cdef class _Wait(Operation):
    cdef public Barrier _barrier
