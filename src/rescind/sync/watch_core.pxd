from rescind._core.waitlist cimport WaitList
from rescind.sync.section cimport Section


cdef class WatchCore:
    cdef public WaitList getters
    cdef public object name
    cdef public Py_ssize_t receivers
    cdef public Section section
    cdef public Py_ssize_t senders
    cdef public object value
    cdef public Py_ssize_t version
    cdef public WaitList watchers
    cdef public object writing

    cpdef put(self, value)
    cpdef sender_gone(self)
    cpdef receiver_gone(self)
    cpdef check_senders(self)
