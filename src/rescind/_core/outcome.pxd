from rescind._core.record cimport Record


cdef extern from "Python.h":
    bint PyObject_GC_IsTracked(object one)
    void PyObject_GC_UnTrack(object one)


cdef class Completed(Record):
    cdef readonly object value


cdef class Error(Record):
    cdef readonly object exception
    cdef readonly tuple also


cdef class Canceled(Record):
    cdef readonly object reason
    cdef readonly tuple also
    cdef readonly bint dropped
    cdef readonly bint abandoned


cdef Completed _nothing


cdef inline Completed completed(value):
    """Make one without a call through Python."""
    if value is None:
        return _nothing
    cdef Completed outcome = Completed.__new__(Completed)
    outcome.value = value
    return outcome


cdef inline Canceled canceled(reason, tuple also):
    """Make one without a call through Python."""
    cdef Canceled outcome = Canceled.__new__(Canceled)
    outcome.reason = reason
    outcome.also = also
    if not also and not PyObject_GC_IsTracked(reason):
        PyObject_GC_UnTrack(outcome)  # as a reason is
    return outcome


cpdef also_of(exc)
