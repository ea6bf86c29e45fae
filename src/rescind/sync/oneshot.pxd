from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter, WaitList
from rescind.sync.ends cimport End
from rescind.sync.operation cimport Looking
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING


cdef class _Core:
    cdef public bint closed
    cdef public WaitList getters
    cdef public tuple letter
    cdef public object name
    cdef public object on_undelivered
    cdef public bint received
    cdef public Section section
    cdef public bint sender
    cdef public bint sent
    cdef public WaitList watchers

    cpdef take(self)
    cpdef close(self)


cdef class OneshotSender(End):
    cdef public _Core _core

    @cython.locals(core=_Core)
    cpdef send(self, value)


cdef class OneshotReceiver(End):
    cdef public _Core _core


cdef class _Recv(Looking):
    cdef public OneshotReceiver _receiver

    cpdef _attempt(self, Context cx)
