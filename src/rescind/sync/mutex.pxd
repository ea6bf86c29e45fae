from rescind._core._native cimport running_frame
from rescind._core.engine cimport Engine
from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync._lock cimport Lock
from rescind.sync.holder cimport Holder, held_here, holder_here
from rescind.sync.operation cimport Operation, spender
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING
cdef object LEFT


cdef class Mutex:
    cdef object __weakref__
    cdef public dict _away
    cdef public dict _forfeits
    cdef public Holder _owner
    cdef public bint _poison
    cdef public object _poisoned
    cdef public Section _section
    cdef public WaitList _waiting
    cdef public object name

    @cython.locals(section=Section, lock=Lock, owner=Holder)
    cpdef release(self)
    @cython.locals(section=Section, lock=Lock, engine=Engine, holder=Holder)
    cpdef _enter(self, size_t frame)
    @cython.locals(owner=Holder)
    cpdef _release(self, Holder here)
    @cython.locals(owner=Holder)
    cpdef _owned_by(self, Holder here)
    cpdef _leave(self, exc, size_t frame)
    @cython.locals(owner=Holder)
    cpdef bint _take(self, Holder who) except -1
    cpdef _pass_on(self)
    @cython.locals(waiter=Waiter)
    cpdef _serve(self)
    cpdef _check_poison(self)


cdef class MutexAcquire(Operation):
    cdef public size_t _frame
    cdef public Holder _holder
    cdef public Mutex _mutex


cdef inline MutexAcquire acquiring(Mutex mutex, size_t frame):
    """Make one without a call through Python."""
    cdef MutexAcquire operation = MutexAcquire.__new__(MutexAcquire)
    operation._section = mutex._section
    operation._mutex = mutex
    operation._frame = frame
    return operation
