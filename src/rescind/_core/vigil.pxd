cdef class Vigil:
    cdef public bint ends
    cdef public double slow
    cdef public bint wants
