cimport cython

from rescind._core._native cimport Fifo, copy_context, first_of, get_region, native, put
from rescind._core.cell cimport Cell, wake_up
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.frames cimport place_of
from rescind._core.hooks cimport Hooks
from rescind._core.into cimport as_future
from rescind._core.poll cimport Context, Future
from rescind._core.reason cimport CancelRequest, called, new_reason, new_request


cdef Hooks hooks


cdef class Owner:
    pass


cdef class Child(Cell):
    cdef public object _owner
    cdef public Py_ssize_t index
    cdef public object key

    @cython.locals(own=Context, known=bint)
    cdef _begin(self, Owner owner, Py_ssize_t index, Future future, Context cx, key=*)
    @cython.locals(among=Children)
    cpdef _enqueue(self)
    @cython.locals(among=Children)
    cpdef _ended(self, outcome)


cdef class Children(Owner):
    cdef public list _ended
    cdef public Py_ssize_t _forwarded
    cdef public Fifo _ready
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
    @cython.locals(executor=Engine, child=Child, ready=Fifo)
    cpdef Child advance(self, Context cx)
    @cython.locals(child=Child)
    cpdef cancel(self, reason, Context cx, bint wanted)
    @cython.locals(child=Child)
    cpdef forward(self, CancelRequest request)


@cython.locals(child=Child)
cpdef cancel_children(children, reason, given, Context cx)


cdef inline bint _goes_on(Children among, Fifo ready):
    """Is there a child to be stepped in this round, and none that has ended?"""
    return not among._ended and among._round > 0 and ready._count > 0


cdef inline Children new_children(grace, bint biased):
    """Make one without a call through Python."""
    cdef Children children = Children.__new__(Children)
    children.grace = grace
    children.biased = biased
    children.cells = []
    children._ready = Fifo.__new__(Fifo)
    children._ended = []
    return children


cpdef list futures_of(awaitables, what)


cpdef enclosing_grace(Cell cell)


@cython.locals(driver=CoroutineFuture)
cpdef place()


@cython.locals(executor=Engine)
cpdef parent_reason(kind, message, Context cx, cause=*)
