cimport cython
from cpython.object cimport PyObject


cdef class Timer:
    cdef public Timers _heap
    cdef public Py_ssize_t _made
    cdef public double at
    cdef public bint fired
    cdef public object waker

    @cython.locals(heap=Timers)
    cpdef cancel(self)


cdef class Timers:
    cdef public Py_ssize_t _alive
    cdef public list _heap
    cdef public Py_ssize_t _made

    @cython.locals(timer=Timer)
    cpdef add(self, double at, waker)
    @cython.locals(timer=Timer)
    cpdef next_at(self)
    @cython.locals(timer=Timer, fired=cython.int)
    cpdef fire(self, double now)
    @cython.locals(heap=list)
    cpdef Timer pop(self, double now)
    @cython.locals(timer=Timer)
    cpdef forget(self)


cdef extern from *:
    """
    /* Places of a list, which keep their references while these change places. */
    static CYTHON_INLINE PyObject *rescind_at(PyObject *heap, Py_ssize_t place) {
        return PyList_GET_ITEM(heap, place);
    }
    static CYTHON_INLINE void rescind_move(PyObject *heap, Py_ssize_t place, PyObject *item) {
        PyList_SET_ITEM(heap, place, item);
    }
    """
    PyObject *rescind_at(object heap, Py_ssize_t place) noexcept
    void rescind_move(object heap, Py_ssize_t place, PyObject *item) noexcept


cdef inline bint before(PyObject *one, PyObject *other) noexcept:
    """Is one timer to fire before the other (T2)?"""
    cdef double at = (<Timer>one).at, than = (<Timer>other).at
    return at < than or (at == than and (<Timer>one)._made < (<Timer>other)._made)


cdef inline int up(list heap, Py_ssize_t place) noexcept:
    """Bring the timer at a place to where it belongs above."""
    cdef PyObject *timer = rescind_at(heap, place)
    cdef PyObject *over
    while place > 0:
        over = rescind_at(heap, (place - 1) >> 1)
        if not before(timer, over):
            break
        rescind_move(heap, place, over)
        place = (place - 1) >> 1
    rescind_move(heap, place, timer)
    return 0


cdef inline int down(list heap, Py_ssize_t place) noexcept:
    """Bring the timer at a place to where it belongs below."""
    cdef Py_ssize_t count = len(heap), under = 2 * place + 1
    cdef PyObject *timer = rescind_at(heap, place)
    while under < count:
        if under + 1 < count and before(rescind_at(heap, under + 1), rescind_at(heap, under)):
            under += 1
        if not before(rescind_at(heap, under), timer):
            break
        rescind_move(heap, place, rescind_at(heap, under))
        place, under = under, 2 * under + 1
    rescind_move(heap, place, timer)
    return 0


cdef inline Timer first(list heap):
    """Return the one that is to fire first; there is one."""
    return <Timer>rescind_at(heap, 0)


cdef inline int push(list heap, Timer timer) except -1:
    """Add one."""
    heap.append(timer)
    up(heap, len(heap) - 1)
    return 0


cdef inline Timer pop(list heap):
    """Take out the one that is to fire first; there is one."""
    cdef Timer last = <Timer>heap.pop()
    if not heap:
        return last
    cdef Timer top = <Timer>rescind_at(heap, 0)
    heap[0] = last
    down(heap, 0)
    return top


cdef inline int heapify(list heap) noexcept:
    """Order what has no order."""
    cdef Py_ssize_t place = len(heap) // 2
    while place > 0:
        place -= 1
        down(heap, place)
    return 0


cdef inline list alive(list heap):
    """Return those that may still fire."""
    cdef Timer timer
    cdef list kept = []
    for timer in heap:
        if timer._heap is not None:
            kept.append(timer)
    return kept
