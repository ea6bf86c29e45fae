from rescind.sync.section cimport Section


cdef object _exiting


cdef class End:
    cdef object __weakref__
    cdef public bint _open
    cdef public Section _section

    cpdef _leave(self)
    cpdef _shut(self)
