cimport cython

from rescind._core._native cimport Parked, flag, get_ident, copy_context, has_region, native, parked_on
from rescind._core.cell cimport Cell
from rescind._core.engine cimport Engine
from rescind._core.hooks cimport Hooks
from rescind._core.outcome cimport Canceled, Completed, Error
from rescind._core.poll cimport Context, Future, new_context
from rescind._core.grace cimport checked_grace
from rescind._core.reason cimport CancelReason, CancelRequest, make_reason, new_request
from rescind._core.waitlist cimport Waiter, WaitList, new_list


cdef object PENDING
cdef object UNSET
cdef Hooks hooks


cdef class Task(Cell):
    cdef public Engine _executor
    cdef public WaitList _joiners
    cdef public object _name
    cdef public object _on_end
    cdef public object _tb
    cdef public double created_at
    cdef public object id
    cdef public object raised_at
    cdef public flag _detached
    cdef public flag _observed

    cdef _begin(self, Future future, Engine executor, name, context, grace)
    cpdef outcome(self)
    cpdef WaitList joiners(self)
    @cython.locals(done=Completed)
    cpdef unwrap(self)
    cdef _report_unseen(self)


cdef class _Joining(Future):
    cdef public bint _given
    cdef public Task _task
    cdef public Waiter _waiter

    @cython.locals(task=Task, executor=Engine)
    cdef _look(self, Context cx)


cdef class Join(_Joining):
    pass


cdef class JoinValue(_Joining):
    pass


cdef bint _contains(Task task, Cell cell) except -1


@cython.locals(task=Task)
cdef Task new_task(Future future, Engine executor, name, context, grace)


cdef inline Join joining(Task task):
    cdef Join join = Join.__new__(Join)
    join._task = task
    return join


cdef inline awaiting(Task task):
    """Return what an await of the task is to the coroutine."""
    cdef JoinValue value = JoinValue.__new__(JoinValue)
    value._task = task
    if has_region():
        value._taken = True
        return parked_on(value)
    return (<object>value).__await__()
