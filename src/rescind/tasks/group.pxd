cimport cython

from rescind._core._native cimport get_ident
from rescind._core.executor cimport Executor
from rescind._core.grace cimport checked_grace
from rescind._core.hooks cimport Hooks
from rescind._core.poll cimport Future
from rescind._core.task cimport Task
from rescind.tasks.group_children cimport GroupChild, future_for, new_child
from rescind.tasks.group_core cimport GroupCore


cdef Hooks hooks


cdef class TaskGroup(GroupCore):
    cpdef Executor _usable(self, what)
