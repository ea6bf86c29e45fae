cdef class Exchange:
    cdef dict _current
    cdef object _loop
