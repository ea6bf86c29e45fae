from cpython.set cimport PySet_Add, PySet_Discard
from cpython.weakref cimport PyWeakref_NewRef


cpdef register(identity)
cpdef unregister(entry)
