from rescind._core._native cimport about_now


cdef class Vigil:
    cdef public bint ends
    cdef public double slow
    cdef public bint wants


cdef inline double clock(Vigil vigil) except -1:
    """Return the time by which a turn is measured; without a vigil none is."""
    return 0.0 if vigil is None else about_now(vigil.slow)
