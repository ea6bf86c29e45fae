cimport cython

from rescind._core._native cimport get_executor
from rescind._core.engine cimport Engine
from rescind._core.executor cimport Executor
from rescind._core.frames cimport strip
from rescind._core.outcome cimport Canceled, Completed, Error
from rescind._core.poll cimport Future
from rescind._host.asyncio cimport AsyncioHost
from rescind._host.driven cimport ForeignCell
from rescind._host.ticks cimport Queue


cdef int _PENDING
cdef int _DONE
cdef int _CANCELED


cdef class Rest:
    cdef public bint _asyncio_future_blocking
    cdef public object _callbacks
    cdef public object _message
    cdef public Queue _queue
    cdef public int _state

    cpdef call_soon(self)
    @cython.locals(queue=Queue)
    cpdef end(self)
    cpdef resume(self)


cdef class AsyncioCell(ForeignCell):
    cdef public Rest rest


cdef inline Rest new_rest(Queue queue):
    cdef Rest rest = Rest.__new__(Rest)
    rest._asyncio_future_blocking = True
    rest._queue = queue
    return rest


cdef inline AsyncioCell new_cell(Future future, Executor executor, task):
    cdef AsyncioCell cell = AsyncioCell.__new__(AsyncioCell)
    cell._seat(future, executor, task)
    return cell


cdef class Drive:
    cdef public object _canceled
    cdef public AsyncioCell _cell
    cdef public object _future
    cdef public Queue _queue
    cdef public object _task

    cdef _begin(self)
    @cython.locals(cell=AsyncioCell, rest=Rest)
    cdef _go(self)
    @cython.locals(cell=AsyncioCell)
    cdef _pass_on(self, exc)
    cpdef close(self)


cdef _settled(outcome, canceled, task)
