cimport cython

from rescind._core._native cimport get_executor
from rescind._core.engine cimport Engine
from rescind._core.frames cimport caller
from rescind._core.record cimport Record


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object one)
    bint PyObject_GC_IsTracked(object one)
    void PyObject_GC_UnTrack(object one)


cdef class CancelReason(Record):
    cdef readonly object kind
    cdef readonly object message
    cdef readonly object by
    cdef readonly object where
    cdef readonly object at
    cdef readonly CancelReason cause


cdef inline CancelReason new_reason(kind, message, by, where, at, CancelReason cause):
    """Make one without a call through Python."""
    cdef CancelReason reason = CancelReason.__new__(CancelReason)
    reason.kind = kind
    reason.message = message
    reason.by = by
    reason.where = where
    reason.at = at
    reason.cause = cause
    # It never changes. Where nothing in it could lead back to it, the collector need not walk it:
    # a task that was canceled keeps its reason.
    if _plain(message) and _plain(by) and _plain(where) and (cause is None or not PyObject_GC_IsTracked(cause)):
        PyObject_GC_UnTrack(reason)
    return reason


cdef inline bint _plain(words):
    return words is None or type(words) is str


cdef inline int unlink(CancelReason first) except -1:
    """Free a chain link by link: to free each in the course of the one before needs a stack."""
    cdef CancelReason link = first.cause, after
    first.cause = None
    while link is not None and Py_REFCNT(link) == 1:
        after = link.cause
        link.cause = None
        link, after = after, None
    return 0


cdef class _Request:
    cdef public tuple _later
    cdef public object _target
    cdef public bint accepted
    cdef public object foreign
    cdef public object grace_at
    cdef public CancelReason reason

    cpdef bint merge(self, _Request other)
    cpdef bint shorten(self, grace_at)


cdef class CancelRequest(_Request):
    cpdef CancelRequest settled(self)


@cython.locals(request=CancelRequest)
cpdef CancelRequest new_request(CancelReason reason, grace_at, target, bint accepted)
@cython.locals(asking=Engine, executor=Engine)
cpdef make_reason(reason, executor, kind=*)
cdef list _called
@cython.locals(said=tuple)
@cython.locals(at=cython.int, said=tuple)
cpdef called(task)
