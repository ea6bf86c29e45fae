from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync._lock cimport Lock


cdef object _KEPT


cdef class Section:
    cdef public list due
    cdef public object inside
    cdef public Lock lock
    cdef public list posted

    cpdef catch_up(self)
    cpdef leave(self)
    cpdef bint wake(self, WaitList waiting, Waiter waiter, given=*) except -1
    cpdef wake_all(self, WaitList waiting, given=*)
