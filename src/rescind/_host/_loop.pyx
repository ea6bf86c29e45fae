# cython: language_level=3
"""What asyncio's selector loop does for every callback, in C: for the loops that are rescind's own.

*What it is.* `hasten` gives one loop three methods in C: `_run_once`, which looks for I/O and runs what is
ready, `call_soon`, and `call_at`. They do what asyncio's do, in its order, with its handles, its heap of
timers and its queue, so that the rest of asyncio works with them unchanged; in debug mode they call
asyncio's own. The loop's class stays what it is. Like `_stock.pyx` it has no interpreted twin: there,
asyncio's methods stand.

*What it is not.* A loop for others: one that the program made stays as it is, and so do other kinds.

*Invariants.*
 W1  What differs from asyncio is time alone: the order of callbacks, what an exception in one leads to,
     what is logged, and what is left in the loop at any moment are asyncio's.
 W2  Handles are read where they keep their fields, which is looked up when this module is loaded. Where
     asyncio's are not as they were, or the loop's class is not exactly asyncio's, nothing is changed. Nor
     is it where somebody has replaced a method of asyncio's that would not be called any more, as tools
     that watch callbacks do.

*Threads.* As asyncio's.

*Source.* ``asyncio.base_events.BaseEventLoop``, ``asyncio.events.Handle``, ``selectors.EpollSelector``,
``heapq`` of CPython 3.11 to 3.14.
"""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.math cimport ceil

from rescind._core._native cimport CLOCK, monotonic

import asyncio
import heapq
import selectors
import sys
import time
from asyncio import base_events, events, format_helpers, selector_events
from collections import deque
from types import FunctionType, MemberDescriptorType


cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    #include "structmember.h"
    #define Py_T_OBJECT_EX T_OBJECT_EX
    #endif
    /* Where an instance keeps what is in a slot of its class; -1: it is kept in another way. */
    static Py_ssize_t rescind_offset(PyObject *descriptor) {
        PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
        return member->type == Py_T_OBJECT_EX ? member->offset : -1;
    }
    #define RESCIND_FIELD(object, offset) (*(PyObject **)((char *)(object) + (offset)))
    /* A borrowed reference; NULL where the slot is empty. */
    static CYTHON_INLINE PyObject *rescind_field(PyObject *object, Py_ssize_t offset) {
        return RESCIND_FIELD(object, offset);
    }
    /* For an object just made, whose slots are empty, or one of None, True and False. */
    static CYTHON_INLINE void rescind_fill(PyObject *object, Py_ssize_t offset, PyObject *value) {
        PyObject *before = RESCIND_FIELD(object, offset);
        Py_INCREF(value);
        RESCIND_FIELD(object, offset) = value;
        Py_XDECREF(before);
    }
    static CYTHON_INLINE PyObject *rescind_blank(PyObject *type) {
        return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    }
    /* Methods of C's that take no argument, or one. */
    static CYTHON_INLINE PyObject *rescind_call_none(PyObject *method, PyObject *self) {
        return ((PyMethodDescrObject *)method)->d_method->ml_meth(self, NULL);
    }
    static CYTHON_INLINE PyObject *rescind_call_one(
        PyObject *method, PyObject *self, PyObject *one)
    {
        return ((PyMethodDescrObject *)method)->d_method->ml_meth(self, one);
    }
    /* ``context.run(callback, *arguments)`` */
    static CYTHON_INLINE PyObject *rescind_run_in(
        PyObject *context, PyObject *callback, PyObject *arguments)
    {
        if (PyContext_Enter(context) < 0) {
            return NULL;
        }
        PyObject *result = PyTuple_GET_SIZE(arguments) == 0
            ? PyObject_CallNoArgs(callback) : PyObject_Call(callback, arguments, NULL);
        if (PyContext_Exit(context) < 0) {
            Py_CLEAR(result);
        }
        return result;
    }
    """
    object rescind_call_none(object method, object self)
    object rescind_call_one(object method, object self, object one)
    Py_ssize_t rescind_offset(object descriptor)
    PyObject *rescind_field(object one, Py_ssize_t offset) noexcept
    void rescind_fill(object one, Py_ssize_t offset, object value) noexcept
    object rescind_blank(object kind)
    object rescind_run_in(object context, object callback, object arguments)
    object PyContext_CopyCurrent()
    bint PyContext_CheckExact(object one) noexcept


cdef object _Handle = events.Handle
cdef object _TimerHandle = events.TimerHandle
cdef object _EpollSelector = getattr(selectors, "EpollSelector", None)
cdef object _heapify = heapq.heapify
cdef object _Loop = asyncio.SelectorEventLoop
# What tells the time, and what would be asked if somebody put another clock in its place.
cdef object _time = _Loop.time
cdef dict _clocks = vars(time)
# For a loop in debug mode, and what is wrong.
cdef object _run_once = base_events.BaseEventLoop._run_once
cdef object _call_soon = base_events.BaseEventLoop.call_soon
cdef object _call_at = base_events.BaseEventLoop.call_at
cdef object _close = _Loop.close

cdef object _LONGEST = base_events.MAXIMUM_SELECT_TIMEOUT
cdef Py_ssize_t _FEW = base_events._MIN_SCHEDULED_TIMER_HANDLES
cdef double _MANY = base_events._MIN_CANCELLED_TIMER_HANDLES_FRACTION
cdef int _READ = selectors.EVENT_READ
cdef int _WRITE = selectors.EVENT_WRITE
cdef int _EPOLLIN = 0x001
cdef int _EPOLLOUT = 0x004

cdef object _popleft = deque.popleft
cdef object _append = deque.append

# Where handles keep their fields (W2).
cdef Py_ssize_t _callback, _args, _cancelled, _loop, _traceback, _repr, _context, _scheduled, _when


def _place(kind, name):
    descriptor = kind.__dict__[name]
    if type(descriptor) is not MemberDescriptorType:
        raise TypeError(f"{kind.__name__}.{name} is not a slot")
    where = rescind_offset(descriptor)
    if where < 0:
        raise TypeError(f"{kind.__name__}.{name} is no object")
    return where


try:
    _callback = _place(_Handle, "_callback")
    _args = _place(_Handle, "_args")
    _cancelled = _place(_Handle, "_cancelled")
    _loop = _place(_Handle, "_loop")
    _traceback = _place(_Handle, "_source_traceback")
    _repr = _place(_Handle, "_repr")
    _context = _place(_Handle, "_context")
    _scheduled = _place(_TimerHandle, "_scheduled")
    _when = _place(_TimerHandle, "_when")
except (KeyError, TypeError):
    _understood = False
else:
    _understood = sys.version_info < (3, 15)


# -- handles --------------------------------------------------------------------------------------


cdef object _new_handle(object kind, object loop, object callback, object arguments, object context):
    """``kind(callback, arguments, loop, context)``, of a loop that is not in debug mode."""
    handle = rescind_blank(kind)
    rescind_fill(handle, _context, PyContext_CopyCurrent() if context is None else context)
    rescind_fill(handle, _loop, loop)
    rescind_fill(handle, _callback, callback)
    rescind_fill(handle, _args, arguments)
    rescind_fill(handle, _cancelled, False)
    rescind_fill(handle, _repr, None)
    rescind_fill(handle, _traceback, None)
    return handle


cdef inline bint _known(object handle) noexcept:
    return type(handle) is _Handle or type(handle) is _TimerHandle


cdef inline bint _is_cancelled(object handle) except -1:
    if _known(handle):
        return <object>rescind_field(handle, _cancelled)
    return handle._cancelled


cdef int _run(object handle) except -1:
    """``handle._run()``"""
    cdef PyObject *context
    if not _known(handle):
        handle._run()
        return 0
    context = rescind_field(handle, _context)
    if not PyContext_CheckExact(<object>context):
        handle._run()
        return 0
    try:
        # Owned while it runs: it may cancel its own handle.
        inside, callback = <object>context, <object>rescind_field(handle, _callback)
        arguments = <object>rescind_field(handle, _args)
        if type(arguments) is not tuple:
            arguments = tuple(arguments)
        rescind_run_in(inside, callback, arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        _tell(handle, error)
    return 0


cdef object _tell(object handle, object error):
    """Give what a callback has raised to the loop's exception handler."""
    source = format_helpers._format_callback_source(handle._callback, handle._args)
    context = {"message": f"Exception in callback {source}", "exception": error, "handle": handle}
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    handle._loop.call_exception_handler(context)


# -- the queue ------------------------------------------------------------------------------------


cdef inline object popleft(object ready):
    """``ready.popleft()``"""
    return rescind_call_none(_popleft, ready) if type(ready) is deque else ready.popleft()


cdef inline int append(object ready, object handle) except -1:
    """``ready.append(handle)``"""
    if type(ready) is deque:
        rescind_call_one(_append, ready, handle)
    else:
        ready.append(handle)
    return 0


# -- timers ---------------------------------------------------------------------------------------


cdef inline bint _earlier(object one, object other) except -1:
    """``one < other``"""
    cdef PyObject *first
    cdef PyObject *second
    if type(one) is _TimerHandle and type(other) is _TimerHandle:
        first, second = rescind_field(one, _when), rescind_field(other, _when)
        if type(<object>first) is float and type(<object>second) is float:
            return <double><object>first < <double><object>second
    return one < other


cdef inline bint _is_before(object handle, double end) except -1:
    """``handle._when < end``"""
    cdef PyObject *when
    if type(handle) is _TimerHandle:
        when = rescind_field(handle, _when)
        if type(<object>when) is float:
            return <double><object>when < end
    return not handle._when >= end


cdef int _up(list heap, Py_ssize_t place) except -1:
    """Move what is in a place to where nothing above it is later."""
    cdef Py_ssize_t above
    while place > 0:
        above = (place - 1) >> 1
        if not _earlier(heap[place], heap[above]):
            break
        heap[place], heap[above] = heap[above], heap[place]
        place = above
    return 0


cdef object _pop(list heap):
    """``heapq.heappop(heap)``, with the same comparisons, so that equals stay in the same order."""
    cdef Py_ssize_t place = 0, child, end
    last = heap.pop()
    if not heap:
        return last
    first, heap[0] = heap[0], last
    end = len(heap)
    child = 1
    while child < end:
        if child + 1 < end and not _earlier(heap[child], heap[child + 1]):
            child += 1
        heap[place], heap[child] = heap[child], heap[place]
        place = child
        child = 2 * place + 1
    _up(heap, place)
    return first


cdef list _trimmed(object loop, list timers):
    """Take canceled timers out: all if they are many, else those at the top."""
    cdef Py_ssize_t count = len(timers)
    if count > _FEW and loop._timer_cancelled_count / <double>count > _MANY:
        kept = []
        for handle in timers:
            if _is_cancelled(handle):
                handle._scheduled = False
            else:
                kept.append(handle)
        _heapify(kept)
        loop._scheduled = kept
        loop._timer_cancelled_count = 0
        return kept
    while timers and _is_cancelled(timers[0]):
        loop._timer_cancelled_count -= 1
        handle = _pop(timers)
        handle._scheduled = False
    return timers


# -- the loop -------------------------------------------------------------------------------------


cdef class Quick:
    """Four methods of one loop, in its ``__dict__``.

    What is called to wait for I/O, and what its answers are for, are kept: of this ``selector``.
    """

    def __init__(self, loop):
        self.loop = loop
        self.fields = loop.__dict__

    cdef object soon(self, object callback):
        """``loop.call_soon(callback)``"""
        if self.field("_debug") or self.field("_closed"):
            return self.loop.call_soon(callback)
        handle = _new_handle(_Handle, self.loop, callback, (), None)
        append(self.field("_ready"), handle)
        return handle

    def call_soon(self, callback, *args, context=None):
        """As asyncio's."""
        if self.field("_debug") or self.field("_closed"):
            return _call_soon(self.loop, callback, *args, context=context)
        handle = _new_handle(_Handle, self.loop, callback, args, context)
        append(self.field("_ready"), handle)
        return handle

    def call_at(self, when, callback, *args, context=None):
        """As asyncio's."""
        if when is None or self.field("_debug") or self.field("_closed"):
            return _call_at(self.loop, when, callback, *args, context=context)
        handle = _new_handle(_TimerHandle, self.loop, callback, args, context)
        rescind_fill(handle, _when, when)
        rescind_fill(handle, _scheduled, True)
        cdef list timers = self.field("_scheduled")
        timers.append(handle)
        _up(timers, len(timers) - 1)
        return handle

    def run_once(self):
        """Look for I/O once, and run what is ready."""
        cdef Py_ssize_t left
        cdef list timers
        if self.field("_debug"):
            _run_once(self.loop)
            return
        ready, timers = self.field("_ready"), self.field("_scheduled")
        if timers:
            timers = _trimmed(self.loop, timers)
        timeout = None
        if ready or self.field("_stopping"):
            timeout = 0
        elif timers:
            timeout = min(max(0, timers[0]._when - self.now()), _LONGEST)
        self.look(ready, timeout)
        timers = self.field("_scheduled")
        if timers:
            self.take_due(ready, timers)
        PyErr_CheckSignals()
        # What callbacks append is run in the next turn, after another look for I/O.
        left = len(ready)
        while left > 0:
            left -= 1
            handle = popleft(ready)
            if not _is_cancelled(handle):
                _run(handle)

    def close(self):
        """As asyncio's, whose methods stand then."""
        _close(self.loop)  # raises if it runs
        for name in _METHODS:
            self.fields.pop(name, None)

    cdef object field(self, str name):
        cdef PyObject *value = PyDict_GetItemWithError(self.fields, name)
        if value is NULL:
            raise AttributeError(name)
        return <object>value

    cdef double now(self) except -1:
        """``loop.time()``"""
        cdef PyObject *clock
        if PyDict_GetItemWithError(self.fields, "time") is NULL and _Loop.time is _time:
            clock = PyDict_GetItemWithError(_clocks, "monotonic")
            if clock is <PyObject *>CLOCK:
                return monotonic()
        return self.loop.time()

    cdef int take_due(self, object ready, list timers) except -1:
        """Queue the timers that are due."""
        cdef double end = self.now() + <double>self.field("_clock_resolution")
        while timers:
            handle = timers[0]
            if not _is_before(handle, end):
                break
            handle = _pop(timers)
            handle._scheduled = False
            append(ready, handle)
        return 0

    cdef int look(self, object ready, object timeout) except -1:
        """Wait for I/O for ``timeout`` seconds at most, None for ever, and queue what it is for."""
        cdef int happened, mask
        cdef double seconds
        cdef list found
        selector = self.field("_selector")
        if selector is not self.selector:
            if type(selector) is not _EpollSelector:
                self.loop._process_events(selector.select(timeout))
                return 0
            self.poll = selector._selector.poll
            self.keys = selector._fd_to_key
            self.selector = selector
        if timeout is None:
            timeout = -1
        elif timeout is not 0:
            # Its resolution is a millisecond: not less than that was asked for.
            seconds = timeout
            timeout = ceil(seconds * 1e3) * 1e-3
        try:
            found = self.poll(timeout, len(self.keys) or 1)
        except InterruptedError:
            return 0
        for number, event in found:
            key = self.keys.get(number)
            if key is None:
                continue
            happened = event
            file, _, wanted, (reader, writer) = key
            mask = 0
            if happened & ~_EPOLLIN:
                mask |= _WRITE
            if happened & ~_EPOLLOUT:
                mask |= _READ
            mask &= <int>wanted
            if mask & _READ and reader is not None:
                if _is_cancelled(reader):
                    self.loop._remove_reader(file)
                else:
                    append(ready, reader)
            if mask & _WRITE and writer is not None:
                if _is_cancelled(writer):
                    self.loop._remove_writer(file)
                else:
                    append(ready, writer)
        return 0


cdef tuple _METHODS = ("_run_once", "call_soon", "call_at", "close")


# What is not called any more, and the modules that it comes from.
cdef tuple _SPARED = (
    (base_events, base_events.BaseEventLoop, ("_run_once", "call_soon", "call_at", "_call_soon", "_add_callback")),
    (selector_events, asyncio.SelectorEventLoop, ("_process_events",)),
    (events, _Handle, ("_run", "__init__")),
    (events, _TimerHandle, ("_run", "__init__", "__lt__")),
    (selectors, _EpollSelector, ("select",)),
)


cdef bint _as_it_was() except -1:
    """Is each of asyncio's methods that C does without still asyncio's own (W2)?"""
    for module, kind, names in _SPARED:
        for name in names:
            method = getattr(kind, name, None)
            if method is None:
                continue
            if type(method) is not FunctionType or method.__code__.co_filename != module.__file__:
                return False
    return True


cdef Quick quick_of(object loop):
    """Return what has the methods of a loop that was given them; else None."""
    if type(loop) is _Loop:
        method = vars(loop).get("_run_once")
        if isinstance(getattr(method, "__self__", None), Quick):
            return method.__self__
    return None


def hasten(loop):
    """Do in C what a loop of asyncio's does for every callback; leave one of another class (W2)."""
    if not _understood or type(loop) is not _Loop or not _as_it_was():
        return
    quick = Quick(loop)
    loop._run_once = quick.run_once
    loop.call_soon = quick.call_soon
    loop.call_at = quick.call_at
    loop.close = quick.close
