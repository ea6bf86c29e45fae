cdef dict _KNOWN


cpdef bint ours(frame) except -1
