from rescind._core._native cimport running_frame
from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.holder cimport Holder, holder_here
from rescind.sync.mutex cimport Mutex
from rescind.sync.operation cimport Operation

cimport cython


cdef object PENDING
cdef object LEFT


cdef class Condition:
    cdef object __weakref__
    cdef public Mutex _mutex
    cdef public WaitList _waiting
    cdef public object name

    cpdef _notify_all(self)
    @cython.locals(mutex=Mutex, waiter=Waiter)
    cpdef _notify(self, Py_ssize_t n)


cdef class _Wait(Operation):
    cdef public Condition _condition
    cdef public Holder _holder
    cdef public object _request

    @cython.locals(mutex=Mutex, owner=Holder, here=Holder)
    cpdef _attempt(self, Context cx)
    @cython.locals(condition=Condition)
    cpdef _queue(self, waker)
    @cython.locals(mutex=Mutex)
    cpdef _received(self, Waiter waiter)
    @cython.locals(condition=Condition, mutex=Mutex, holder=Holder)
    cpdef _withdraw(self, Waiter waiter)
