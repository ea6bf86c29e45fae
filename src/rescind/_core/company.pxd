cdef class Company:
    cdef public int base
