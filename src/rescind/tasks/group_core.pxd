cimport cython

from rescind._core.engine cimport Engine
from rescind._core.executor cimport Executor
from rescind._core.hooks cimport Hooks
from rescind._core.outcome cimport Canceled, Error
from rescind._core.reason cimport CancelReason, CancelRequest, new_reason, new_request
from rescind._core.task cimport Task
from rescind._core.waitlist cimport WaitList
from rescind.tasks.block cimport Parent, sooner
from rescind.tasks.group_children cimport GroupChild, Tally


cdef Hooks hooks


cdef class GroupCore(Parent):
    cdef object __weakref__
    cdef public bint _absorbed
    cdef public object _base
    cdef public object _block
    cdef public dict _causes
    cdef public dict _errors
    cdef public Executor _executor
    cdef public object _exit
    cdef public bint _failed_first
    cdef public object _grace
    cdef public object _places
    cdef public object _reason
    cdef public object _state
    cdef public object _supervisor
    cdef public Tally _tally
    cdef public object _told
    cdef public object _waker
    cdef public WaitList enders
    cdef public object name
    cdef public object policy

    cpdef _ask_all(self, reason, grace=*, grace_at=*)
    @cython.locals(executor=Engine)
    cpdef _ask(self, Task task, reason, grace, around)
    cpdef _around(self, grace_at)
    @cython.locals(task=Task)
    cpdef child_ended(self, GroupChild child, outcome)
    cpdef bint wake_when_empty(self, waker) except -1
    @cython.locals(tally=Tally)
    cpdef _settle(self)
    cpdef close(self)
    cpdef list take_errors(self)
