from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.holder cimport Holder, holder_here
from rescind.sync.operation cimport Operation
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING


cdef class RwLock:
    cdef object __weakref__
    cdef public dict _readers
    cdef public Section _section
    cdef public WaitList _waiting
    cdef public Holder _writer
    cdef public object name

    @cython.locals(writer=Holder, again=bint)
    cpdef bint _take(self, Holder who, bint write) except -1
    cpdef _enter(self, Holder who, bint write)
    @cython.locals(holder=Holder)
    cpdef Holder _reader(self, Holder here)
    cpdef _let_go(self, Holder who)
    cpdef _downgrade(self, Holder writer)
    @cython.locals(waiter=Waiter)
    cpdef _serve(self)
    cpdef bint _holds(self, Holder who) except -1


cdef class ReadOrWrite:
    cdef public Holder _holder
    cdef public RwLock _lock
    cdef public bint _write


cdef class _Acquire(Operation):
    cdef public ReadOrWrite _block
    cdef public Holder _holder
    cdef public RwLock _rwlock
    cdef public bint _write

    cpdef _enter(self)


cdef inline _Acquire _acquiring(RwLock lock, bint write, ReadOrWrite block):
    """Make one without a call through Python."""
    cdef _Acquire operation = _Acquire.__new__(_Acquire)
    operation._section = lock._section
    operation._rwlock = lock
    operation._write = write
    operation._block = block
    return operation
