cimport cython
from cpython.object cimport PyObject

from rescind._core.cell cimport Cell
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.hooks cimport Hooks, Observer
from rescind._core.poll cimport Context
from rescind._core.reason cimport CancelRequest
from rescind._core.scope cimport ScopeStack
from rescind._core.task cimport Task
from rescind._warn.places cimport mark


cdef extern from "Python.h":
    object PyWeakref_NewRef(object one, PyObject *callback)


cdef Hooks hooks


cdef class Part:
    cdef object _cell
    cdef object _stack
    cdef public CancelRequest request
    cdef public double since


cdef inline Part new_part(stack, cell, CancelRequest request, double since):
    """Make one without a call through Python."""
    cdef Part part = Part.__new__(Part)
    part._stack = PyWeakref_NewRef(stack, NULL)
    part._cell = PyWeakref_NewRef(cell, NULL)
    part.request = request
    part.since = since
    return part


cdef inline object coroutine_in(ScopeStack stack):
    """``getattr(stack, "coroutine", None)``"""
    if isinstance(stack, CoroutineFuture):
        return (<CoroutineFuture>stack)._coro
    return getattr(stack, "coroutine", None)


cdef class Deliveries(Observer):
    cdef object _executor
    cdef bint _wants_parts
    cdef public int _many
    cdef public list parts
    cdef object __weakref__

    cpdef delivered(self, ScopeStack stack, CancelRequest request)
    @cython.locals(cx=Context, cell=Cell, task=Task, asked=CancelRequest, coroutine=CoroutineFuture)
    cdef _note(self, ScopeStack stack, CancelRequest request)
