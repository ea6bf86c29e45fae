cimport cython


cdef class Timer:
    cdef public Timers _heap
    cdef public double at
    cdef public bint fired
    cdef public object waker

    @cython.locals(heap=Timers)
    cpdef cancel(self)


cdef class Timers:
    cdef public Py_ssize_t _alive
    cdef public list _heap
    cdef public Py_ssize_t _made

    @cython.locals(timer=Timer)
    cpdef add(self, double at, waker)
    @cython.locals(timer=Timer)
    cpdef next_at(self)
    @cython.locals(timer=Timer, fired=cython.int)
    cpdef fire(self, double now)
    cpdef forget(self)
