# What the compiled form takes from C instead of Python; see docs/design/0057.

cdef extern from *:
    # A truth value in one byte: as many of them as an object has would else be a word each.
    ctypedef bint flag "unsigned char"

cdef bint has_region() noexcept
cdef object get_region()
cdef int set_region(object region) except -1
cdef object get_executor()
cdef int set_executor(object executor) except -1
cdef unsigned long get_ident() noexcept
cdef inline size_t address(object one) noexcept:
    """Return the number that stands for an object: its `id`."""
    return <size_t><void *>one
cdef object CLOCK
cdef double monotonic() except -1
cdef double about_now(double length) except -1
cdef int enter(object context) except -1
cdef int leave(object context) except -1
cdef object send(object coroutine, object value)
cdef object throw(object coroutine, object exc)
cdef object new_cancellation(object kind, object reason, tuple also)
cdef object take_returned()
cdef object frame_code(object frame)
cdef int frame_lasti(object frame) noexcept
cdef bint is_ours(object frame) except -1
cdef bint is_bare(object exc) except -1
cdef object placed(object frame)
cdef tuple marked(object coroutine)
cdef object whereabouts(object coroutine, object own)
cdef object calling()
cdef object named(object kind, tuple values)
cdef object ENDED
cdef object RAISED
cdef bint native(object future) except -1
cdef bint is_new(object coroutine) noexcept
cdef object copy_context()
cdef int without_attributes(object one) except -1
cdef Parked parked_on(object future)
cdef Parked given(object value)
cdef Parked entered(object value)
cdef object swapped(object swap, object identity)
cdef int is_current(object swap, object identity) except -2
cdef size_t running_frame() noexcept
cdef int put_back(object swap, object before) except -1


cdef class Exchange:
    cdef dict _current
    cdef object _loop


cdef class Parked:
    cdef object future
    cdef object inner
    cdef int state


cdef class Fifo:
    cdef list _items
    cdef Py_ssize_t _count
    cdef Py_ssize_t _first
    cdef Py_ssize_t _room

    cpdef append(self, item)
    cpdef popleft(self)
    cdef int _grow(self) except -1


cdef extern from *:
    """
    /* A place of the ring keeps its reference until another one is put there. */
    static CYTHON_INLINE void rescind_place(PyObject *items, Py_ssize_t place, PyObject *item) {
        PyObject *before = PyList_GET_ITEM(items, place);
        Py_INCREF(item);
        PyList_SET_ITEM(items, place, item);
        Py_DECREF(before);
    }
    static CYTHON_INLINE PyObject *rescind_displace(PyObject *items, Py_ssize_t place) {
        PyObject *before = PyList_GET_ITEM(items, place);
        Py_INCREF(Py_None);
        PyList_SET_ITEM(items, place, Py_None);
        return before;
    }
    """
    void rescind_place(object items, Py_ssize_t place, object item) noexcept
    object rescind_displace(object items, Py_ssize_t place)


cdef inline int put(Fifo fifo, object item) except -1:
    """Add one at the end."""
    while fifo._count == fifo._room:
        fifo._grow()
    rescind_place(fifo._items, (fifo._first + fifo._count) & (fifo._room - 1), item)
    fifo._count += 1
    return 0


cdef inline object taken(Fifo fifo):
    """Take the first out, or whichever a class of Python's takes; there is one."""
    if type(fifo) is not Fifo:
        return fifo.popleft()
    return first_of(fifo)


cdef inline object first_of(Fifo fifo):
    """Take the first out; there is one."""
    item = rescind_displace(fifo._items, fifo._first)
    fifo._first = (fifo._first + 1) & (fifo._room - 1)
    fifo._count -= 1
    return item
