cimport cython

from rescind._core._native cimport get_region
from rescind._core.cell cimport Cell
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.hooks cimport Hooks
from rescind._core.poll cimport Context, Future
from rescind._core.reason cimport CancelRequest, called, new_reason, new_request


cdef Hooks hooks


cdef class Owner:
    pass


cdef class Child(Cell):
    cdef public object _owner
    cdef public Py_ssize_t index
    cdef public object key

    @cython.locals(own=Context)
    cdef _begin(self, Owner owner, Py_ssize_t index, Future future, Context cx, key=*)
    @cython.locals(among=Children)
    cpdef _enqueue(self)
    @cython.locals(among=Children)
    cpdef _ended(self, outcome)


cdef class Children(Owner):
    cdef public list _ended
    cdef public Py_ssize_t _forwarded
    cdef public object _ready
    cdef public Py_ssize_t _round
    cdef public bint _stepping
    cdef public object _waker
    cdef public Py_ssize_t alive
    cdef public bint biased
    cdef public list cells
    cdef public object grace

    @cython.locals(waiting=Cell)
    cpdef enqueue(self, Child child)
    cpdef note_end(self, Child child)
    cpdef start(self, futures, Context cx)
    @cython.locals(child=Child)
    cpdef Child add(self, Future future, Context cx, key=*)
    cpdef release(self)
    cpdef begin(self, Context cx)
    @cython.locals(executor=Engine, child=Child)
    cpdef Child advance(self, Context cx)
    @cython.locals(child=Child)
    cpdef cancel(self, reason, Context cx, bint wanted)
    @cython.locals(child=Child)
    cpdef forward(self, CancelRequest request)


@cython.locals(child=Child)
cpdef cancel_children(children, reason, given, Context cx)


cpdef enclosing_grace(Cell cell)


cpdef place()


@cython.locals(executor=Engine)
cpdef parent_reason(kind, message, Context cx, cause=*)
