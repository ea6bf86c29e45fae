# Events as flat numbers; see _ring.pyx.

cimport cython

from rescind._core.cell cimport Cell
from rescind._core.executor cimport Executor


cdef struct Item:
    long long at
    long long what
    size_t more


cdef struct Known:
    void *cell
    long long number


cdef class Batch:
    cdef Item *items
    cdef Py_ssize_t count

    cdef list events(self)
    cdef bytes lines(self, dict known)
    cdef Py_ssize_t write(self, char *out) noexcept nogil


@cython.final
cdef class Ring:
    cdef Item *_items
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _first
    cdef Py_ssize_t _count
    cdef Py_ssize_t _mark
    cdef bint _called
    cdef long long _last
    cdef int _kind
    cdef Known *_known
    cdef int _shared
    cdef void *_turns_of
    cdef unsigned long long _turn
    cdef long long _told
    cdef object _clock
    cdef object _full
    cdef dict _encoded
    cdef readonly Py_ssize_t limit
    cdef readonly long long dropped

    cpdef woken(self, long long cell, long long by)
    cpdef polled(self, long long cell)
    cpdef parked(self, long long cell, tuple words)
    cpdef append(self, tuple event)
    cdef long long known(self, Cell cell) noexcept
    cdef int know(self, Cell cell, long long number) except -1
    cdef int forget(self, Cell cell) except -1
    cdef int forget_all(self) noexcept
    cdef int woken_in(self, Cell cell, long long number, long long by) except -1
    cdef int polled_in(self, Cell cell, long long number) except -1
    cdef int parked_in(self, Cell cell, long long number, tuple words) except -1
    cdef bint _same_turn(self, Executor executor) noexcept
    cdef int _mark_turn(self, Executor executor, int kind) except -1
    cdef long long _now(self) except? -1
    cdef int _put(self, long long at, long long what, size_t more) except -1
    cdef int _grow(self) except -1
    cdef Batch _taken(self, Py_ssize_t most, bint kept)
