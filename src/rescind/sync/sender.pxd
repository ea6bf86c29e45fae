from rescind._core.poll cimport Context
from rescind._core.waitlist cimport Waiter
from rescind.sync.channel_core cimport ChannelCore
from rescind.sync.ends cimport End
from rescind.sync.operation cimport Operation

cimport cython


cdef object PENDING
cdef object _exiting


cdef class Sender(End):
    cdef public ChannelCore _core

    cpdef _check_own(self)
    cpdef _check_open(self)
    cpdef _check(self, value)


cdef class Permit:
    cdef object __weakref__
    cdef public ChannelCore _core
    cdef public Py_ssize_t _left


cdef class _Send(Operation):
    cdef public Sender _sender
    cdef public object _value

    @cython.locals(core=ChannelCore, sender=Sender)
    cpdef _attempt(self, Context cx)


cdef class _Reserve(Operation):
    cdef public Sender _sender
    cdef public Py_ssize_t _slots

    @cython.locals(core=ChannelCore)
    cpdef _attempt(self, Context cx)


cdef inline _Send _sending(Sender sender, value):
    """Make one without a call through Python."""
    cdef _Send operation = _Send.__new__(_Send)
    operation._section = sender._section
    operation._sender = sender
    operation._value = value
    return operation
