# cython: language_level=3
"""What the compiled form takes from C instead of Python: what a thread runs, contexts, `send`.

*What it is.* The only module without an interpreted twin: each line of the core that uses it stands
beside the Python that it replaces (``#: compiled:``).

*Threads.* Any; a region belongs to its thread.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF

cimport cython

from threading import local as _local
from time import monotonic as _clock
from types import BuiltinFunctionType, GenericAlias


cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define RESCIND_LOCAL __declspec(thread)
    #elif defined(__linux__)
    /* A fixed place: otherwise each access is a call. */
    #define RESCIND_LOCAL __thread __attribute__((tls_model("initial-exec")))
    #else
    #define RESCIND_LOCAL __thread
    #endif
    static RESCIND_LOCAL PyObject *rescind_region = NULL;
    static RESCIND_LOCAL PyObject *rescind_executor = NULL;
    """
    PyObject *rescind_region
    PyObject *rescind_executor


cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object, object) except? NULL
    PyObject *PyDict_SetDefault(object, object, object) except NULL
    Py_ssize_t PyDict_GET_SIZE(object) noexcept
    int PyDict_SetItem(object, object, object) except -1
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT

    PySendResult PyIter_Send(PyObject *iterator, PyObject *value, PyObject **result) except PYGEN_ERROR
    PyObject *PyErr_Occurred()
    PyTypeObject *Py_TYPE(object o) noexcept
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t place) noexcept
    void PyList_SET_ITEM(object list, Py_ssize_t place, object item) noexcept
    object PyContext_CopyCurrent()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    unsigned long PyThread_get_thread_ident() noexcept


cdef extern from *:
    """
    static int rescind_discard(PyObject *among, PyObject *key) {
        int failed = PyDict_DelItem(among, key) < 0;
        if (failed && PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
            return 0;
        }
        return -failed;
    }
    """
    int rescind_discard(object among, object key) except -1


cdef extern from *:
    """
    /* An error is set already: make the caller see it. */
    static int rescind_raise(void) { return -1; }
    """
    int PyErr_raise "rescind_raise"() except -1


cdef extern from *:
    """
    /* What is being raised, as a value, with its traceback. */
    static PyObject *rescind_caught(void) {
    #if PY_VERSION_HEX >= 0x030C0000
        return PyErr_GetRaisedException();
    #else
        PyObject *kind, *value, *traceback;
        PyErr_Fetch(&kind, &value, &traceback);
        PyErr_NormalizeException(&kind, &value, &traceback);
        if (traceback != NULL) {
            PyException_SetTraceback(value, traceback);
            Py_DECREF(traceback);
        }
        Py_XDECREF(kind); /* NULL: it failed, and did not say how; the caller will say so */
        return value;
    #endif
    }

    /* How: 0, it yields; 1, it has returned; 2, it has raised. */
    static CYTHON_INLINE PyObject *rescind_send(PyObject *coroutine, PyObject *value, int *how) {
        PyObject *result = NULL;
        switch (PyIter_Send(coroutine, value, &result)) {
        case PYGEN_NEXT:
            *how = 0;
            return result;
        case PYGEN_RETURN:
            *how = 1;
            return result;
        default:
            *how = 2;
            return rescind_caught();
        }
    }

    static PyObject *rescind_throw(PyObject *coroutine, PyObject *name, PyObject *exc, int *how) {
        PyObject *value, *caught, *result = PyObject_CallMethodOneArg(coroutine, name, exc);
        *how = 0;
        if (result != NULL) {
            return result;
        }
        *how = 2;
        caught = rescind_caught();
        if (PyErr_GivenExceptionMatches(caught, PyExc_StopIteration)) {
            *how = 1;
            value = ((PyStopIterationObject *)caught)->value;
            result = value == NULL ? Py_None : value;
            Py_INCREF(result);
            Py_DECREF(caught);
            return result;
        }
        return caught;
    }
    """
    object rescind_send(object coroutine, object value, int *how)
    object rescind_throw(object coroutine, object name, object exc, int *how)


cdef extern from *:
    """
    #if defined(_WIN32)
    static double rescind_monotonic(void) {
        double seconds = -1.0;
        PyObject *time = PyImport_ImportModule("time");
        PyObject *now = time == NULL ? NULL : PyObject_CallMethod(time, "monotonic", NULL);
        if (now != NULL) {
            seconds = PyFloat_AsDouble(now);
        }
        Py_XDECREF(now);
        Py_XDECREF(time);
        return seconds;
    }
    #else
    #include <time.h>
    static double rescind_monotonic(void) {
        struct timespec now;
        if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1.0;
        }
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    #endif
    """
    double rescind_monotonic() except -1


cdef extern from *:
    """
    /* The clock that is read for the length of a turn. Linux has one that asks no hardware: it is
       behind by up to its resolution, which is told from lengths that are many times as much. */
    static double rescind_about_now(double length) {
    #if defined(__linux__) && defined(CLOCK_MONOTONIC_COARSE)
        static double enough = 0.0;
        struct timespec now;
        if (enough == 0.0) {
            enough = clock_getres(CLOCK_MONOTONIC_COARSE, &now) == 0
                ? 8.0 * ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec) : 1e300;
        }
        if (length >= enough && clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0) {
            return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
        }
    #endif
        return rescind_monotonic();
    }
    """
    double rescind_about_now(double length) except -1


cdef extern from *:
    """
    /* From 3.14 on it is not to be seen from outside, and the Python beside it asks. */
    static CYTHON_INLINE int rescind_is_new(PyObject *coroutine) {
    #if PY_VERSION_HEX < 0x030D0000
        return PyCoro_CheckExact(coroutine) && ((PyCoroObject *)coroutine)->cr_frame_state == -2;
    #elif PY_VERSION_HEX < 0x030E0000
        return PyCoro_CheckExact(coroutine) && ((PyCoroObject *)coroutine)->cr_frame_state == -3;
    #else
        return 0;
    #endif
    }
    """
    bint rescind_is_new(PyObject *coroutine) noexcept


cdef extern from *:
    """
    static int rescind_without_attributes(PyObject *one) {
        PyObject **place = _PyObject_GetDictPtr(one);
        if (place != NULL && *place != NULL && PyDict_GET_SIZE(*place) == 0) {
            Py_CLEAR(*place);
        }
        return 0;
    }
    """
    int rescind_without_attributes(PyObject *one) except -1


ENDED = object()
RAISED = object()
cdef object _returned = None


cdef extern from *:
    """
    static sendfunc rescind_sending;

    /* The value of a coroutine that ended, as an exception; the reference is taken over. */
    static PyObject *rescind_stop(PyObject *value) {
        if (value == Py_None) {
            PyErr_SetNone(PyExc_StopIteration);
        } else if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
            if (stop != NULL) {
                PyErr_SetObject(PyExc_StopIteration, stop);
                Py_DECREF(stop);
            }
        } else {
            PyErr_SetObject(PyExc_StopIteration, value);
        }
        Py_DECREF(value);
        return NULL;
    }

    static PyObject *rescind_next(PyObject *self) {
        PyObject *result = NULL;
        PySendResult how = rescind_sending(self, Py_None, &result);
        if (how == PYGEN_RETURN) {
            if (result != Py_None) {
                return rescind_stop(result);
            }
            Py_CLEAR(result); /* the end, and None, is no exception for whoever iterates in C */
        }
        return result;
    }

    static PyObject *rescind_send_method(PyObject *self, PyObject *value) {
        PyObject *result = NULL;
        PySendResult how = rescind_sending(self, value, &result);
        return how == PYGEN_RETURN ? rescind_stop(result) : result;
    }

    static PyMethodDef rescind_send_def = {"send", rescind_send_method, METH_O, NULL};

    /* A type made by Cython cannot say that it has `am_send`, which 3.11 resumes it by; from 3.12 on
       it is `tp_iternext` for None, and the method for all else. */
    static int rescind_send_with(PyTypeObject *type, sendfunc send) {
        PyObject *method = PyDescr_NewMethod(type, &rescind_send_def);
        int failed = method == NULL || PyDict_SetItemString(type->tp_dict, "send", method) < 0;
        Py_XDECREF(method);
        if (failed) {
            return -1;
        }
        rescind_sending = send;
        type->tp_as_async->am_send = send;
        type->tp_iternext = rescind_next;
        PyType_Modified(type);
        return 0;
    }
    static PySendResult rescind_resume(PyObject *iterator, PyObject *value, PyObject **result) {
        return PyIter_Send(iterator, value, result);
    }
    """
    ctypedef PySendResult (*sendfunc)(PyObject *, PyObject *, PyObject **) noexcept
    PyObject *rescind_next(PyObject *iterator) noexcept
    int rescind_send_with(PyTypeObject *type, sendfunc send) except -1
    PySendResult rescind_resume(PyObject *iterator, PyObject *value, PyObject **result) noexcept


@cython.freelist(64)
cdef class Parked:
    """`poll.park`: what an await of a future is to the coroutine.

    It is resumed in C, as far as can be without a `StopIteration`; the methods are for whoever
    traces, or drives it by hand.
    """

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef PyObject *result = rescind_next(<PyObject *>self)
        if result is NULL:
            if PyErr_Occurred() is NULL:
                raise StopIteration
            PyErr_raise()
        sent = <object>result
        Py_DECREF(sent)
        return sent

    def throw(self, kind, value=None, traceback=None):
        """Raise in it what was raised at the await."""
        exc = kind if isinstance(kind, BaseException) else value
        if not isinstance(exc, BaseException):
            exc = kind() if exc is None else kind(exc)
        if traceback is not None:
            exc = exc.with_traceback(traceback)
        if self.inner is not None:
            return self.inner.throw(exc)  # one argument: three are deprecated
        future, self.future = self.future, None
        waited, self.state = self.state == 1, 2
        if waited and isinstance(exc, RuntimeError):
            from rescind._core.poll import elsewhere  # here alone is it needed

            self.inner = elsewhere(future, exc)
            if self.inner is not None:
                return next(self.inner)
        raise exc

    def close(self):
        """End it."""
        self.state = 2
        self.future = None
        inner, self.inner = self.inner, None
        if inner is not None:
            inner.close()


cdef PySendResult send_parked(PyObject *iterator, PyObject *value, PyObject **result) noexcept:
    cdef Parked parked = <Parked>iterator
    if parked.state == 0:
        parked.state = 1
        Py_INCREF(parked.future)
        result[0] = <PyObject *>parked.future
        return PYGEN_NEXT
    if parked.inner is not None:
        given = parked.inner  # owned while it runs: what runs in it may end this
        return rescind_resume(<PyObject *>given, value, result)
    given = None
    if parked.state == 1:
        given = <object>value
    elif parked.state == 3:
        given = parked.future
    parked.state = 2
    parked.future = None
    Py_INCREF(given)
    result[0] = <PyObject *>given
    return PYGEN_RETURN


rescind_send_with(<PyTypeObject *>Parked, send_parked)


cdef Parked parked_on(object future):
    """Return what an await of a future is to the coroutine."""
    cdef Parked parked = Parked.__new__(Parked)
    parked.future = future
    return parked


cdef Parked given(object value):
    """Return what an await is to the coroutine that has its value at once."""
    cdef Parked parked = Parked.__new__(Parked)
    parked.future = value
    parked.state = 3
    return parked


cdef Parked entered(object value):
    """Return what can be awaited for a value that is there."""
    return given(value)


cdef object _end = iter(())
next(_end, None)  # it has ended, and so it does for whoever iterates


cdef class _Left:
    """`given.LEFT`: its await is at its end, without a call and without an object."""

    def __await__(self):
        return _end

    def __repr__(self):
        return "the end of a block"


LEFT = _Left()


cdef bint has_region() noexcept:
    return rescind_region is not NULL


cdef object get_region():
    return None if rescind_region is NULL else <object>rescind_region


cdef int set_region(object region) except -1:
    global rescind_region
    cdef PyObject *before = rescind_region
    if region is None:
        rescind_region = NULL
    else:
        Py_INCREF(region)
        rescind_region = <PyObject *>region
    Py_XDECREF(before)
    return 0


cdef unsigned long get_ident() noexcept:
    return PyThread_get_thread_ident()


# Whose time `monotonic` tells: Python's own. Where another stands in its place (a program under a
# clock that moves as it is told) there is none, and whoever compares with it asks its clock.
CLOCK = _clock if type(_clock) is BuiltinFunctionType else object()


cdef double monotonic() except -1:
    """Return `time.monotonic`'s seconds."""
    return rescind_monotonic()


cdef double about_now(double length) except -1:
    """Return `time.monotonic`'s seconds, as exactly as a comparison with this length needs."""
    return rescind_about_now(length)


cdef int enter(object context) except -1:
    return PyContext_Enter(context)


cdef int leave(object context) except -1:
    return PyContext_Exit(context)


cdef object send(object coroutine, object value):
    """Resume a coroutine: what it yields; or `ENDED` or `RAISED`, and `take_returned` has it."""
    global _returned
    cdef int how = 0
    result = rescind_send(coroutine, value, &how)
    if how:
        _returned = result
        return ENDED if how == 1 else RAISED
    return result


cdef object throw(object coroutine, object exc):
    """Resume it by an exception; as `send`."""
    global _returned
    cdef int how = 0
    result = rescind_throw(coroutine, "throw", exc, &how)
    if how:
        _returned = result
        return ENDED if how == 1 else RAISED
    return result


cdef extern from *:
    """
    /* What `BaseException.__new__` makes of a class: `__init__` is not called. */
    static PyObject *rescind_new_exception(PyObject *type, PyObject *args) {
        return ((PyTypeObject *)type)->tp_new((PyTypeObject *)type, args, NULL);
    }
    """
    object rescind_new_exception(object type, tuple args)


cdef object new_cancellation(object kind, object reason, tuple also):
    """Make a `Cancellation`, which is given as ``kind``, without a call through Python."""
    made = rescind_new_exception(kind, (reason,))
    made.reason = reason
    made.also = also
    return made


cdef object take_returned():
    """Return what a coroutine has just returned or raised."""
    global _returned
    returned, _returned = _returned, None
    return returned


cdef PyTypeObject *_native_types[64]


cdef bint native(object future) except -1:
    """Is it one of rescind's own (`poll.Future._native`)? Remembered for a type, which is kept."""
    cdef PyTypeObject *kind = Py_TYPE(future)
    cdef size_t place = (<size_t>kind >> 6) & 63
    if _native_types[place] is kind:
        return True
    if not future._native:
        return False
    Py_INCREF(<object>kind)
    Py_XDECREF(<PyObject *>_native_types[place])
    _native_types[place] = kind
    return True


cdef bint is_new(object coroutine) noexcept:
    """Is it certainly a coroutine that nobody has begun to drive? Asking makes no frame object."""
    return rescind_is_new(<PyObject *>coroutine)


cdef object copy_context():
    return PyContext_CopyCurrent()


cdef int without_attributes(object one) except -1:
    """Give back the dictionary that Cython makes with an object; CPython makes it when it is used."""
    return rescind_without_attributes(<PyObject *>one)


cdef class Fifo:
    """A queue: what is used of a `collections.deque`, without calls through Python."""

    __class_getitem__ = classmethod(GenericAlias)

    def __cinit__(self):
        self._items = [None] * 16  # a ring; its places are taken anew, never made anew
        self._room = 16

    def __len__(self):
        return self._count

    def __bool__(self):
        return self._count > 0

    cpdef append(self, item):
        """Add one at the end."""
        put(self, item)

    cpdef popleft(self):
        """Take the first out."""
        if self._count == 0:
            raise IndexError("pop from an empty queue")
        return first_of(self)

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = self._room
        # The collector may run here, and what is collected may add and take: then look again.
        cdef list items = [None] * (room * 2)
        if self._count < room or self._room != room:
            return 0
        cdef Py_ssize_t index
        for index in range(room):
            item = <object>PyList_GET_ITEM(self._items, (self._first + index) & (room - 1))
            Py_INCREF(item)
            PyList_SET_ITEM(items, index, item)
            Py_DECREF(None)  # that was there
        self._items = items
        self._first = 0
        self._room = room * 2
        return 0


cdef object get_executor():
    return None if rescind_executor is NULL else <object>rescind_executor


cdef int set_executor(object executor) except -1:
    global rescind_executor
    cdef PyObject *before = rescind_executor
    if executor is None:
        rescind_executor = NULL
    else:
        Py_INCREF(executor)
        rescind_executor = <PyObject *>executor
    Py_XDECREF(before)
    return 0


cdef class Exchange:
    """`current_task.Exchange`: keeps in a dictionary, under a key, what is current there."""

    def __cinit__(self, dict current, object loop):
        self._current = current
        self._loop = loop

    def __call__(self, identity):
        return swapped(self, identity)


cdef object swapped(object swap, object identity):
    """Make an identity current; return the one before."""
    if type(swap) is not Exchange:
        return swap(identity)
    cdef Exchange exchange = <Exchange>swap
    cdef dict current = exchange._current
    if identity is None:
        return current.pop(exchange._loop, None)
    cdef Py_ssize_t size = PyDict_GET_SIZE(current)
    previous = <object>PyDict_SetDefault(current, exchange._loop, identity)
    if PyDict_GET_SIZE(current) > size:
        return None  # nearly always: no task runs where a callback does
    if previous is not identity:
        PyDict_SetItem(current, exchange._loop, identity)
    return previous


cdef int is_current(object swap, object identity) except -2:
    """Tell whether that is current where ``swap`` makes it so; -1: it cannot be seen from here."""
    if type(swap) is not Exchange:
        return -1
    cdef Exchange exchange = <Exchange>swap
    cdef PyObject *found = PyDict_GetItemWithError(exchange._current, exchange._loop)
    return found is <PyObject *>identity


cdef int put_back(object swap, object before) except -1:
    """Make the identity from before the current one."""
    if before is None and type(swap) is Exchange:
        rescind_discard((<Exchange>swap)._current, (<Exchange>swap)._loop)
    else:
        swapped(swap, before)
    return 0


cdef class _Last:
    """Lets go of what a thread refers to: the thread does, with its locals, when it ends."""

    cdef unsigned long _thread

    def __cinit__(self):
        self._thread = get_ident()

    def __dealloc__(self):
        if self._thread == get_ident():
            set_executor(None)


cdef class ThreadLocal:
    """`current.Local`, kept by C."""

    cdef object _locals

    def __init__(self):
        self._locals = _local()

    @property
    def region(self):
        return get_region()

    @region.setter
    def region(self, value):
        set_region(value)

    @property
    def executor(self):
        return get_executor()

    @executor.setter
    def executor(self, value):
        # Only this one outlasts its block; a turn's is put back.
        if value is not None and not hasattr(self._locals, "last"):
            self._locals.last = _Last()
        set_executor(value)


local = ThreadLocal()


cdef extern from "Python.h":
    ctypedef int (*Py_AuditHookFunction)(const char *, PyObject *, void *) except -1
    int PySys_AddAuditHook(Py_AuditHookFunction hook, void *data) except -1
    void *PyInterpreterState_Get() noexcept
    void *PyInterpreterState_Main() noexcept
    PyObject *PyType_GenericAlloc(PyTypeObject *type, Py_ssize_t size) except NULL
    void PyTuple_SET_ITEM(PyObject *made, Py_ssize_t index, PyObject *value) noexcept


cdef object _heard = None


cdef int hear(const char *event, PyObject *args, void *data) except -1:
    # What a run does most, reading a coroutine's frame, is an event too: no call of Python for it.
    if event[0] != b"o" and event[0] != b"s":
        return 0
    if event[1] == b"s" or event[1] == b"o" or event[1] == b"u":
        if PyInterpreterState_Get() == PyInterpreterState_Main() and _heard is not None:
            _heard((<bytes>event).decode(), None)
    return 0


def add_audit_hook(heard):
    """`sys.addaudithook`, for events of ``os``, of sockets and of subprocesses, without arguments."""
    global _heard
    _heard = heard
    PySys_AddAuditHook(hear, NULL)


cdef extern from *:
    """
    static PyObject *rescind_frame_code(PyObject *frame) {
        return (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
    }
    static int rescind_line(PyObject *code, int at) {
        return PyCode_Addr2Line((PyCodeObject *)code, at);
    }
    static int rescind_frame_lasti(PyObject *frame) {
        return PyFrame_GetLasti((PyFrameObject *)frame);
    }

    /* `frames.ours`: is its module one of rescind's? */
    static int rescind_ours(PyObject *frame, PyObject *dunder_name) {
        PyObject *names = PyFrame_GetGlobals((PyFrameObject *)frame), *name;
        int own = 0;
        if (names == NULL) {
            return -1;
        }
        name = PyDict_Check(names) ? PyDict_GetItemWithError(names, dunder_name) : NULL;
        if (name != NULL && PyUnicode_Check(name) && PyUnicode_IS_COMPACT_ASCII(name)) {
            const char *text = (const char *)PyUnicode_1BYTE_DATA(name);
            Py_ssize_t length = PyUnicode_GET_LENGTH(name);
            own = length >= 7 && memcmp(text, "rescind", 7) == 0 && (length == 7 || text[7] == '.');
        }
        Py_DECREF(names);
        return name == NULL && PyErr_Occurred() ? -1 : own;
    }

    /* Is the outermost frame of its traceback somebody else's, or is there none? */
    static int rescind_is_bare(PyObject *exc, PyObject *dunder_name) {
        PyObject *traceback = PyException_GetTraceback(exc);
        int own;
        if (traceback == NULL) {
            return 1;
        }
        /* Where there is no memory left for a frame, it has none. */
        own = ((PyTracebackObject *)traceback)->tb_frame == NULL
            ? 0 : rescind_ours((PyObject *)((PyTracebackObject *)traceback)->tb_frame, dunder_name);
        Py_DECREF(traceback);
        return own < 0 ? -1 : !own;
    }

    /* The nearest frame of this thread that is not rescind's; NULL without an error: none is. */
    static PyObject *rescind_calling(PyObject *dunder_name) {
        PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get()), *inner;
        int own;
        while (frame != NULL) {
            own = rescind_ours((PyObject *)frame, dunder_name);
            if (own == 0) {
                return (PyObject *)frame;
            }
            inner = frame;
            frame = own < 0 ? NULL : PyFrame_GetBack(frame);
            Py_DECREF(inner);
        }
        return NULL;
    }
    """
    object rescind_frame_code(object frame)
    int rescind_frame_lasti(object frame) noexcept
    bint rescind_ours(object frame, object dunder_name) except -1
    bint rescind_is_bare(object exc, object dunder_name) except -1
    PyObject *rescind_calling(object dunder_name) except? NULL
    int rescind_line(PyObject *code, int at) noexcept


cdef object frame_code(object frame):
    """Return ``f_code`` of what is a frame, without an audit event."""
    return rescind_frame_code(frame)


cdef int frame_lasti(object frame) noexcept:
    """Return ``f_lasti`` of what is a frame."""
    return rescind_frame_lasti(frame)


cdef bint is_ours(object frame) except -1:
    """Is what is a frame one of rescind's own code?"""
    return rescind_ours(frame, "__name__")


cdef bint is_bare(object exc) except -1:
    """Is there no frame of rescind's own to be taken off the outside of its traceback?"""
    return rescind_is_bare(exc, "__name__")


# The latest places that were put into words, by where their code is: most are asked for again.
cdef PyObject *_placed_code[64]
cdef PyObject *_placed_words[64]
cdef int _placed_at[64]


cdef object placed(object frame):
    """Return ``file:line`` of where a frame is."""
    return _words(rescind_frame_code(frame), rescind_frame_lasti(frame))


cdef object _words(object code, int at):
    cdef PyObject *key = <PyObject *>code
    cdef PyObject *old_code
    cdef PyObject *old_words
    cdef size_t place = ((<size_t>key >> 4) ^ (<size_t>at >> 1)) & 63
    if _placed_code[place] is key and _placed_at[place] == at:
        return <object>_placed_words[place]
    words = f"{code.co_filename}:{rescind_line(key, at)}"
    Py_INCREF(code)
    Py_INCREF(words)
    old_code, old_words = _placed_code[place], _placed_words[place]
    _placed_code[place], _placed_words[place] = key, <PyObject *>words
    _placed_at[place] = at
    Py_XDECREF(old_code)  # last: it may run code
    Py_XDECREF(old_words)
    return words


cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    /* The frame of 3.11, which is not to be seen from outside; 3.11 does not change any more. */
    typedef struct {
        PyObject *function, *globals, *builtins, *locals;
        PyCodeObject *code;
        PyObject *frame_object;
        void *previous;
        _Py_CODEUNIT *before;
    } rescind_frame;
    #endif

    /* The code of a suspended coroutine, and where it is in it, without the frame object that
       `cr_frame` would make; NULL without an error: it has ended. */
    static PyObject *rescind_suspended(PyObject *coroutine, int *at) {
    #if PY_VERSION_HEX >= 0x030E0000
        PyObject *code = NULL, *frame = PyObject_GetAttrString(coroutine, "cr_frame");
        if (frame != NULL && frame != Py_None) {
            *at = PyFrame_GetLasti((PyFrameObject *)frame);
            code = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
        }
        Py_XDECREF(frame);
        return code;
    #else
        PyCoroObject *one = (PyCoroObject *)coroutine;
        if (one->cr_frame_state > 0) {
            return NULL;
        }
    #if PY_VERSION_HEX >= 0x030C0000
        *at = PyUnstable_InterpreterFrame_GetLasti((struct _PyInterpreterFrame *)one->cr_iframe);
        return PyUnstable_InterpreterFrame_GetCode((struct _PyInterpreterFrame *)one->cr_iframe);
    #else
        {
            rescind_frame *frame = (rescind_frame *)one->cr_iframe;
            *at = (int)((char *)frame->before - (char *)_PyCode_CODE(frame->code));
            Py_INCREF(frame->code);
            return (PyObject *)frame->code;
        }
    #endif
    #endif
    }
    """
    PyObject *rescind_suspended(object coroutine, int *at) except? NULL
    bint PyCoro_CheckExact(object coroutine) noexcept
    bint PyGen_CheckExact(object generator) noexcept
    bint PyAsyncGen_CheckExact(object generator) noexcept


cdef extern from *:
    """
    /* The frame of Python's that runs, without a frame object, which would stay with it. */
    #if PY_VERSION_HEX >= 0x030E0000
    #define RESCIND_RUNNING() ((void *)PyEval_GetFrame())
    #elif PY_VERSION_HEX >= 0x030D0000
    #define RESCIND_RUNNING() ((void *)PyThreadState_Get()->current_frame)
    #else
    #define RESCIND_RUNNING() ((void *)PyThreadState_Get()->cframe->current_frame)
    #endif

    /* A number that stands for it, as `id` of a frame object would. */
    static CYTHON_INLINE size_t rescind_frame_key(void) {
        return (size_t)RESCIND_RUNNING();
    }

    /* Its code, which is borrowed, and where it is in it; NULL: it is not known. */
    static CYTHON_INLINE PyObject *rescind_innermost(int *at) {
    #if PY_VERSION_HEX >= 0x030E0000
        return NULL;
    #else
        void *running = RESCIND_RUNNING();
        PyObject *code;
        if (running == NULL) {
            return NULL;
        }
    #if PY_VERSION_HEX >= 0x030C0000
        *at = PyUnstable_InterpreterFrame_GetLasti((struct _PyInterpreterFrame *)running);
        code = PyUnstable_InterpreterFrame_GetCode((struct _PyInterpreterFrame *)running);
        Py_DECREF(code); /* the frame has it */
    #else
        code = (PyObject *)((rescind_frame *)running)->code;
        *at = (int)((char *)((rescind_frame *)running)->before - (char *)_PyCode_CODE((PyCodeObject *)code));
    #endif
        return code;
    #endif
    }
    """
    size_t rescind_frame_key() noexcept
    PyObject *rescind_innermost(int *at) noexcept


cdef size_t running_frame() noexcept:
    """Return a number that stands for the frame of Python's that runs; 0: none does."""
    return rescind_frame_key()


# Where cancellations were raised last, each as `marked` has told it: most are asked for again, and a
# mark is kept with each task that was canceled.
cdef PyObject *_marks[64]


cdef tuple marked(object coroutine):
    """Return the code and the instruction of each frame of a suspended coroutine, outermost first."""
    cdef PyObject *codes[8]
    cdef int places[8]
    cdef int at = 0, depth = 0
    cdef size_t key = 0
    cdef PyObject *found
    current = coroutine
    while PyCoro_CheckExact(current):
        found = rescind_suspended(current, &at)
        if found is NULL:
            break
        Py_DECREF(<object>found)  # its frame has it
        if depth == 8:
            return _marked(coroutine)
        codes[depth], places[depth] = found, at
        depth += 1
        key = (key << 1) ^ (<size_t>found >> 4) ^ (<size_t>at >> 1)
        current = current.cr_await
    key &= 63
    if _marks[key] is not NULL and _is_mark(<tuple>_marks[key], codes, places, depth):
        return <tuple>_marks[key]
    made = tuple([(<object>codes[index], places[index]) for index in range(depth)])
    found = _marks[key]
    Py_INCREF(made)
    _marks[key] = <PyObject *>made
    Py_XDECREF(found)  # last: it may run code
    return made


cdef bint _is_mark(tuple mark, PyObject **codes, int *places, int depth) except -1:
    cdef int index
    cdef tuple frame
    if len(mark) != depth:
        return False
    for index in range(depth):
        frame = <tuple>mark[index]
        if <PyObject *>frame[0] is not codes[index] or <int>frame[1] != places[index]:
            return False
    return True


cdef tuple _marked(object coroutine):
    """Return a mark of any depth."""
    cdef int at = 0
    cdef PyObject *found
    frames = []
    current = coroutine
    while PyCoro_CheckExact(current):
        found = rescind_suspended(current, &at)
        if found is NULL:
            break
        code = <object>found
        Py_DECREF(code)
        frames.append((code, at))
        current = current.cr_await
    return tuple(frames)


cdef object whereabouts(object coroutine, object own):
    """`frames.place_of` of a coroutine; None: ask its frames. ``own`` tells our files apart."""
    cdef PyObject *codes[8]
    cdef int places[8]
    cdef int at = 0, depth = 0, index
    cdef size_t place
    cdef PyObject *found
    current = coroutine
    while PyCoro_CheckExact(current):
        found = rescind_suspended(current, &at)
        if found is NULL:
            break
        Py_DECREF(<object>found)  # its frame has it
        codes[depth & 7], places[depth & 7] = found, at  # the innermost ones, if there are many
        depth += 1
        current = current.cr_await
    if PyGen_CheckExact(current) or PyAsyncGen_CheckExact(current):
        return None
    # From the innermost one on: whose a file is, is asked of as few as can be.
    for index in range(depth - 1, max(depth - 9, -1), -1):
        found, at = codes[index & 7], places[index & 7]
        place = ((<size_t>found >> 4) ^ (<size_t>at >> 1)) & 63
        if _placed_code[place] is found and _placed_at[place] == at:
            return <object>_placed_words[place]  # what has words here is nobody's of ours
        code = <object>found
        if not own(code.co_filename):
            return _words(code, at)
    return None


cdef object calling():
    """Return ``file:line`` of the nearest frame on the stack that is not rescind's own, or None."""
    cdef int at = 0
    cdef PyObject *key = rescind_innermost(&at)
    cdef size_t place = ((<size_t>key >> 4) ^ (<size_t>at >> 1)) & 63
    if key is not NULL and _placed_code[place] is key and _placed_at[place] == at:
        return <object>_placed_words[place]  # what has words here is nobody's of ours
    cdef PyObject *found = rescind_calling("__name__")
    if found is NULL:
        return None
    frame = <object>found
    Py_DECREF(frame)
    return placed(frame)


cdef object named(object kind, tuple values):
    """Return a named tuple, without a call of its `__new__`."""
    cdef PyObject *made = PyType_GenericAlloc(<PyTypeObject *>kind, len(values))
    cdef Py_ssize_t index = 0
    for value in values:
        Py_INCREF(value)
        PyTuple_SET_ITEM(made, index, <PyObject *>value)
        index += 1
    whole = <object>made
    Py_DECREF(whole)
    return whole
