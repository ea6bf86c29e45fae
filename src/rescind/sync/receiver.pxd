from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter
from rescind.sync.channel_core cimport ChannelCore
from rescind.sync.ends cimport End
from rescind.sync.operation cimport Operation

cimport cython


cdef object PENDING


cdef class Receiver(End):
    cdef public ChannelCore _core

    cpdef _check_own(self)


cdef class _Taking(Operation):
    cdef public Receiver _receiver

    @cython.locals(core=ChannelCore)
    cpdef _withdraw(self, Waiter waiter)
    cpdef list _take_now(self, Py_ssize_t limit)
    @cython.locals(core=ChannelCore)
    cpdef list _collect(self, Waiter waiter, Py_ssize_t limit)


cdef class _Recv(_Taking):
    @cython.locals(receiver=Receiver)
    cpdef _attempt(self, Context cx)


cdef class _Next(_Recv):
    pass


cdef class _RecvMany(_Taking):
    cdef public Py_ssize_t _limit


cdef inline _Recv _receiving(Receiver receiver):
    """Make one without a call through Python."""
    cdef _Recv operation = _Recv.__new__(_Recv)
    operation._section = receiver._section
    operation._receiver = receiver
    return operation
