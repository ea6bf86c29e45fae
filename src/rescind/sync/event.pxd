from rescind._core.waitlist cimport WaitList
from rescind.sync._lock cimport Lock
from rescind.sync.operation cimport Operation
from rescind.sync.section cimport Section

cimport cython


cdef object PENDING


cdef class Event:
    cdef object __weakref__
    cdef public Section _section
    cdef public bint _set
    cdef public WaitList _waiting
    cdef public object name

    @cython.locals(section=Section, lock=Lock)
    cpdef set(self)


cdef class _Wait(Operation):
    cdef public Event _event


cdef inline _Wait waiting_for(Event event):
    """Make one without a call through Python."""
    cdef _Wait wait = _Wait.__new__(_Wait)
    wait._section = event._section
    wait._event = event
    return wait
