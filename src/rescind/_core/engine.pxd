from rescind._core._native cimport put_back, swapped


cdef class Engine:
    cdef object __weakref__
    cdef public object host
    cdef public unsigned long thread
    cdef public object current
    cdef public int budget
    cdef public unsigned long long rounds
    cdef public bint keeps
    cdef public object identity
    cdef object seat
    cdef object _outside
    cdef object _back
    cdef object _put
    cdef object _swap

    cpdef assume(self, identity)
    cpdef resign(self)

    cpdef defer(self, waker)
    cpdef wake_directly(self, waker)
    cpdef now(self)
    cpdef add_timer(self, double at, waker)
    cpdef enqueue(self, task)
    cpdef forget(self, task, outcome)
