cdef class Vigil:
    cdef public double slow
    cdef public bint wants
