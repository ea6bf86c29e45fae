from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync._lock cimport Lock
from rescind.sync.operation cimport Operation, spender
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING
cdef object LEFT
cdef object _CLOSED


cdef class Semaphore:
    cdef object __weakref__
    cdef public bint _closed
    cdef public object _free
    cdef public object _max
    cdef public Section _section
    cdef public WaitList _waiting
    cdef public object name

    cpdef acquire(self, n=*)
    @cython.locals(section=Section)
    cpdef acquire_nowait(self, n=*)
    @cython.locals(section=Section, lock=Lock)
    cpdef release(self, n=*)
    @cython.locals(section=Section, lock=Lock, engine=Engine)
    cpdef _enter(self, n)
    cpdef _put_in(self, n)
    cpdef _check_max(self, n)
    cpdef _close(self)
    cpdef _checked(self, n)
    cpdef bint _take(self, n) except -1
    @cython.locals(waiter=Waiter)
    cpdef _serve(self)
    cpdef _gathered(self)


cdef class Permits:
    cdef public object _n
    cdef public Semaphore _semaphore


cdef class _Acquire(Operation):
    cdef public object _n
    cdef public Semaphore _semaphore

    @cython.locals(semaphore=Semaphore)
    cpdef _withdraw(self, Waiter waiter)


cdef inline _Acquire _acquiring(Semaphore semaphore, n):
    """Make one without a call through Python."""
    cdef _Acquire operation = _Acquire.__new__(_Acquire)
    operation._section = semaphore._section
    operation._semaphore = semaphore
    operation._n = n
    return operation
