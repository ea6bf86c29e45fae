# What the host asks of a loop whose turn is in C; see docs/design/0068.


cdef class Quick:
    cdef object loop
    cdef dict fields
    cdef object selector
    cdef object poll
    cdef dict keys

    cdef object soon(self, object callback)
    cdef object field(self, str name)
    cdef double now(self) except -1
    cdef int take_due(self, object ready, list timers) except -1
    cdef int look(self, object ready, object timeout) except -1


cdef Quick quick_of(object loop)
