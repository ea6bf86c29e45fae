# cython: language_level=3
"""`Lock`: the lock of a section where the core is compiled; `threading.RLock` is its twin.

*What it is.* Whoever holds the GIL is alone: that the lock is free, and to take it, is one step,
and costs two comparisons. Only who finds it held by another thread has to wait for a real one.

*Invariants.*
 X1  What is read and written between two calls into Python or into the system is one step. Without
     the GIL that is not so, and this module refuses to be compiled: then all is plain Python.
 X2  The gate is held, but for the moment from a `release` that sees somebody wait until one of
     those has come through. Who comes through looks again: another may have been faster.

*Threads.* Any.
"""

from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
)


cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #error "the compiled form relies on the GIL: build with RESCIND_BUILD=pure"
    #endif
    """


cdef class Lock:
    """A re-entrant lock."""

    cpdef bint acquire(self, bint blocking=True) except -1:
        """Take it, once more if this thread has it; return whether it could be had."""
        cdef unsigned long me = PyThread_get_thread_ident()
        if self._depth:
            if self._owner == me:
                self._depth += 1
                return True
            if not blocking:
                return False
            self._wait()
        self._owner = me
        self._depth = 1
        return True

    cdef int _wait(self) except -1:
        """Return when it is free."""
        if self._gate is NULL:
            self._gate = PyThread_allocate_lock()
            if self._gate is NULL:
                raise MemoryError("a lock of the system")
            PyThread_acquire_lock(self._gate, WAIT_LOCK)
        self._waiting += 1
        while self._depth:
            with nogil:
                PyThread_acquire_lock(self._gate, WAIT_LOCK)
            self._open = False  # X2
        self._waiting -= 1
        return 0

    cpdef release(self):
        """Let it go, as often as it was taken."""
        if not self.mine():
            raise RuntimeError("cannot release a lock that this thread does not hold")
        self._depth -= 1
        if self._depth == 0 and self._waiting and not self._open:
            self._open = True
            PyThread_release_lock(self._gate)

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc):
        self.release()

    cdef bint mine(self) noexcept:
        """Tell whether this thread has it."""
        return self._depth != 0 and self._owner == <unsigned long>PyThread_get_thread_ident()

    def _is_owned(self):
        """Tell it to Python, under the name that the twin has for it."""
        return self.mine()

    cdef bint begin(self) noexcept:
        """Take it if nobody has it, this thread neither; return whether that was so."""
        if self._depth:
            return False
        self._owner = PyThread_get_thread_ident()
        self._depth = 1
        return True

    def __dealloc__(self):
        if self._gate is not NULL:
            if not self._open:
                PyThread_release_lock(self._gate)
            PyThread_free_lock(self._gate)
