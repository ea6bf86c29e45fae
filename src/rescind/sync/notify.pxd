from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.operation cimport Operation
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING
cdef object _FIRST
cdef object _LAST
cdef object _ALL


cdef class Notify:
    cdef object __weakref__
    cdef public Py_ssize_t _calls
    cdef public Section _section
    cdef public bint _stored
    cdef public WaitList _waiting
    cdef public object name

    cpdef _notify_all(self)
    @cython.locals(waiter=Waiter)
    cpdef _notify(self, news)
    cpdef bint _take(self) except -1


cdef class Notified(Operation):
    cdef public Py_ssize_t _calls
    cdef public Notify _notify
