cimport cython

from rescind._core.engine cimport Engine
from rescind._core.frames cimport caller


cdef class CancelReason:
    cdef readonly object kind
    cdef readonly object message
    cdef readonly object by
    cdef readonly object where
    cdef readonly object at
    cdef readonly CancelReason cause


cdef class _Request:
    cdef public tuple _reasons
    cdef public object _target
    cdef public bint accepted
    cdef public object foreign
    cdef public object grace_at

    cpdef merge(self, _Request other)
    cpdef shorten(self, grace_at)


@cython.locals(request=_Request)
cpdef _Request new_request(CancelReason reason, grace_at, target, bint accepted)
@cython.locals(asking=Engine, executor=Engine)
cpdef make_reason(reason, executor, kind=*)
