cimport cython

from rescind._core.into cimport as_future
from rescind._core.outcome cimport Canceled, Completed, Error
from rescind._core.poll cimport Future, take
from rescind._core.task cimport Task


cdef class GroupChild:
    cdef public bint daemon
    cdef public object group
    cdef public object held
    cdef public Task task

    cpdef end(self)


cdef inline GroupChild new_child(group, bint daemon):
    """Make one without a call through Python."""
    cdef GroupChild child = GroupChild.__new__(GroupChild)
    child.group = group
    child.daemon = daemon
    return child


cpdef Future future_for(fut, GroupChild child, supervisor)


cdef class Tally:
    cdef public object _keep
    cdef public dict _kept
    cdef public object _order
    cdef public dict _tracebacks
    cdef public dict alive
    cdef public Py_ssize_t canceled
    cdef public Py_ssize_t completed
    cdef public Py_ssize_t daemons
    cdef public Py_ssize_t dropped
    cdef public Py_ssize_t failed
    cdef public Py_ssize_t spawned

    cpdef add(self, GroupChild child, Task task)
    @cython.locals(failed=Error, quiet=Canceled)
    cpdef end(self, GroupChild child, Task task, outcome)
    @cython.locals(child=GroupChild)
    cpdef tuple tasks(self)
