from rescind._core._native cimport get_region
from rescind._core.coroutine cimport CoroutineFuture
from rescind._core.engine cimport Engine
from rescind._core.frames cimport opened
from rescind._core.poll cimport Context, Future
from rescind._core.port cimport Port
from rescind._host._loop cimport Quick, quick_of
from rescind._host._stock cimport Callback, begun, call_at_end, is_awaited_on, is_done, understand
from rescind._host.current_task cimport register
from rescind._host.identity cimport Identity, new_identity
from rescind._host.ticks cimport Queue, tick_in

cimport cython


cdef object PENDING
cdef object _ANYIO


cdef class AsyncioHost(Port):
    cdef object __weakref__
    cdef public object loop
    cdef public object clock
    cdef public object name
    cdef public object swap
    cdef public Queue queue
    cdef public bint owned
    cdef public object _until
    cdef Quick _quick

    cpdef now(self)
    cpdef adopt(self, yielded)
    @cython.locals(identity=Identity)
    cpdef identify(self, coroutine, cell, label, bint root)
    @cython.locals(own=Identity)
    cpdef retire(self, identity)
    cpdef foreign_request(self, identity)
    cpdef shielded(self, identity)
    cpdef call_soon(self, callback)


cdef bint _in_anyio_shield(identity) except -1
cpdef adopt(yielded, Queue queue)


cdef class AsyncioFuture(Callback):
    cdef public bint _asked
    cdef public Context _cx
    cdef public Identity _identity
    cdef public bint _registered
    cdef public bint _told
    cdef public object future

    @cython.locals(driver=CoroutineFuture, own=Identity)
    cdef _register(self)
    cdef _leave(self)
    @cython.locals(executor=Engine, own=AsyncioHost)
    cpdef tell(self)


cdef inline AsyncioFuture leaf_for(future):
    """Return the leaf of a future, without a call through Python."""
    cdef AsyncioFuture leaf = AsyncioFuture.__new__(AsyncioFuture)
    begun(leaf)
    leaf.future = future
    return leaf
