from rescind._core.task cimport Task


cdef class LabTask(Task):
    cdef public object lab
    cdef public int number
    cdef public object path
    cdef public object place
    cdef public int spawned
    cdef public int steps
    cdef public int visit
    cdef public dict visits
