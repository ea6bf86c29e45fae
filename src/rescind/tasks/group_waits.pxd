from rescind._core.poll cimport Context, Future
from rescind._core.waitlist cimport Waiter
from rescind.tasks.group_core cimport GroupCore


cdef object PENDING


cdef class Drained(Future):
    cdef public GroupCore _group
    cdef public bint _told
    cdef public tuple _waited


cdef class GroupEnd(Future):
    cdef public GroupCore _group
    cdef public Waiter _waiter
