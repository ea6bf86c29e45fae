from rescind._core._native cimport get_region


cdef class Observer:
    pass


cdef class Hooks:
    cdef public object _lock
    cdef public tuple _observers
    cdef public object spawned
    cdef public object woken
    cdef public object polled
    cdef public object parked
    cdef public object requested
    cdef public object delivered
    cdef public object overran
    cdef public object abandoned
    cdef public object ended
    cdef public object group_opened
    cdef public object group_spawned
    cdef public object group_canceled
    cdef public object group_closed
    cdef public object token_canceled
