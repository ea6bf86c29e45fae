cimport cython

from rescind._core.timers cimport Timer, Timers


cdef class Due:
    cdef public Timer timer


cdef class LabTimers(Timers):
    @cython.locals(timer=Timer)
    cpdef list due(self, double now)
