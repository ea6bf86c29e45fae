from rescind._core._native cimport calling, is_bare, is_ours, placed, whereabouts


cpdef bint ours(frame) except -1
cpdef tuple opened(awaitable)
cpdef caller()
cpdef place_of(awaitable)
cpdef strip(exc)
