# cython: language_level=3
"""What the compiled form takes from C instead of Python: the region of a thread, contexts, `send`.

*What it is.* The only module without an interpreted twin: each line of the core that uses it stands
beside the Python that it replaces (``#: compiled:``).

*Threads.* Any; a region belongs to its thread.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF

from threading import local as _local


cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) PyObject *rescind_region = NULL;
    #else
    static __thread PyObject *rescind_region = NULL;
    #endif
    """
    PyObject *rescind_region


cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT

    PySendResult PyIter_Send(PyObject *iterator, PyObject *value, PyObject **result) except PYGEN_ERROR
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    unsigned long PyThread_get_thread_ident() noexcept


cdef extern from *:
    """
    static CYTHON_INLINE PyObject *rescind_send(PyObject *coroutine, PyObject *value, int *ended) {
        PyObject *result = NULL;
        *ended = PyIter_Send(coroutine, value, &result) == PYGEN_RETURN;
        return result;
    }
    """
    object rescind_send(object coroutine, object value, int *ended)


ENDED = object()
cdef object _returned = None


cdef bint has_region() noexcept:
    return rescind_region is not NULL


cdef object get_region():
    return None if rescind_region is NULL else <object>rescind_region


cdef int set_region(object region) except -1:
    global rescind_region
    cdef PyObject *before = rescind_region
    if region is None:
        rescind_region = NULL
    else:
        Py_INCREF(region)
        rescind_region = <PyObject *>region
    Py_XDECREF(before)
    return 0


cdef unsigned long get_ident() noexcept:
    return PyThread_get_thread_ident()


cdef int enter(object context) except -1:
    return PyContext_Enter(context)


cdef int leave(object context) except -1:
    return PyContext_Exit(context)


cdef object send(object coroutine, object value):
    """Resume a coroutine: what it yields; or `ENDED`, and `take_returned` has what it returned."""
    global _returned
    cdef int ended = 0
    result = rescind_send(coroutine, value, &ended)
    if ended:
        _returned = result
        return ENDED
    return result


cdef object take_returned():
    global _returned
    returned, _returned = _returned, None
    return returned


class _Others(_local):
    executor = None


cdef class ThreadLocal:
    """`current.Local`, with the region kept by C."""

    cdef object _others

    def __init__(self):
        self._others = _Others()

    @property
    def region(self):
        return get_region()

    @region.setter
    def region(self, value):
        set_region(value)

    @property
    def executor(self):
        return self._others.executor

    @executor.setter
    def executor(self, value):
        self._others.executor = value


local = ThreadLocal()
