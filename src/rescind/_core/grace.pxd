cpdef checked_seconds(value, what)
cpdef checked_grace(value)
