cimport cython

from rescind._core._native cimport ENDED, RAISED, flag, get_region, native, new_cancellation, put_back, send, set_region, swapped, take_returned, throw
from rescind._core.cell cimport Cell
from rescind._core.ending cimport ended_by
from rescind._core.engine cimport Engine
from rescind._core.frames cimport strip
from rescind._core.outcome cimport Canceled, Completed, Error, canceled, completed
from rescind._core.poll cimport Context, Future, adopted, check_new
from rescind._core.port cimport identified_by, requested, retire, shielded
from rescind._core.reason cimport CancelRequest
from rescind._core.scope cimport ScopeStack


cdef object PENDING
cdef object _RAISED
cdef int _NEW
cdef int _PARKED
cdef int _RUNNING
cdef int _ENDED


cdef class CoroutineFuture(ScopeStack):
    cdef object __weakref__
    cdef public CancelRequest _canceling
    cdef public object _coro
    cdef public object _host
    cdef public Future _leaf
    cdef object _raised
    cdef public flag _fresh
    cdef public unsigned char _state

    @cython.locals(value=object, outer=object, before=object, executor=Engine, swap=object)
    cdef _step(self, Context cx)
    @cython.locals(executor=Engine, keeper=Engine, leaf=Future, known=bint, identity=object)
    cdef _drive(self, Context cx, error, bint absorbed)
    @cython.locals(request=CancelRequest)
    cdef tuple _settle(self, outcome)
    cpdef CancelRequest _due(self, leaf)
    cdef Future _adopt(self, yielded, Context cx)
    @cython.locals(cell=Cell, executor=Engine, root=bint)
    cdef _start(self, Context cx)
    cdef _release(self)
    cdef _close(self, list errors)


cdef inline asked(CoroutineFuture driver):
    """Return the pending request of the host's world for this coroutine."""
    return requested(driver._host, driver._identity)


cdef inline bint held(CoroutineFuture driver) except -1:
    """Does a shield of the host's world hold back what comes from outside?"""
    return driver._host is not None and shielded(driver._host, driver._identity)


cdef inline CoroutineFuture driving(coro):
    """Return a future of a new coroutine, taken, without a call through Python."""
    cdef CoroutineFuture driver = CoroutineFuture.__new__(CoroutineFuture)
    driver._coro = coro
    driver.scopes = ()
    driver._taken = True
    return driver
