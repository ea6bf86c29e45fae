from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter
from rescind.sync.broadcast_core cimport BroadcastCore, Place
from rescind.sync.ends cimport End
from rescind.sync.operation cimport Looking

cimport cython


cdef class BroadcastSender(End):
    cdef public BroadcastCore _core

    @cython.locals(core=BroadcastCore)
    cpdef send(self, value)


cdef class BroadcastReceiver(End):
    cdef public BroadcastCore _core
    cdef public Place _place

    cpdef _take(self)
    cpdef _check_own(self)


cdef class _Recv(Looking):
    cdef public BroadcastReceiver _receiver

    cpdef _attempt(self, Context cx)


cdef class _Next(_Recv):
    pass
