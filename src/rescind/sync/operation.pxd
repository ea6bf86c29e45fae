from rescind._core._native cimport get_region, given, parked_on
from rescind._core.engine cimport Engine
from rescind._core.outcome cimport canceled
from rescind._core.poll cimport Context, Future, take
from rescind._core.region cimport Region
from rescind._core.waitlist cimport Waiter
from rescind.sync._lock cimport Lock
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING
cdef object _exiting
cdef object _NOTHING


cdef class Operation(Future):
    cdef public bint _ended
    cdef public Section _section
    cdef public Waiter _waiter

    cpdef _attempt(self, Context cx)
    cpdef _queue(self, waker)
    cpdef _look_again(self, Waiter waiter)
    cpdef _received(self, Waiter waiter)
    cpdef _withdraw(self, Waiter waiter)
    @cython.locals(section=Section, lock=Lock)
    cpdef poll(self, Context cx)
    @cython.locals(waiter=Waiter)
    cpdef _step(self, Context cx)
    cpdef _stay(self, Waiter waiter, waker)
    cpdef _quit(self)


cdef class Looking(Operation):
    @cython.locals(waiter=Waiter)
    cpdef _step(self, Context cx)


cdef class Unwanted(Operation):
    cdef public object _core


cdef class _Failed(Future):
    cdef object _error


@cython.locals(region=Region, cx=Context, executor=Engine)
cpdef Context context_here()


cpdef Engine spender()
