from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter
from rescind.sync.ends cimport End
from rescind.sync.operation cimport Looking, Operation
from rescind.sync.watch_core cimport WatchCore

cimport cython


cdef object PENDING


cdef class WatchSender(End):
    cdef public WatchCore _core

    cpdef _check_own(self)


cdef class WatchReceiver(End):
    cdef public WatchCore _core
    cdef public Py_ssize_t _seen

    cpdef _check_own(self)


cdef class _Changed(Looking):
    cdef public WatchReceiver _receiver

    @cython.locals(receiver=WatchReceiver, core=WatchCore)
    cpdef _attempt(self, Context cx)


cdef class _Next(_Changed):
    pass


cdef class _WaitFor(Operation):
    cdef public object _predicate
    cdef public WatchReceiver _receiver

    @cython.locals(receiver=WatchReceiver, core=WatchCore, waiter=Waiter, version=Py_ssize_t)
    cpdef poll(self, Context cx)
