cpdef register(identity)
cpdef unregister(entry)
