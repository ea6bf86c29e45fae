# cython: language_level=3
"""`ring.Ring` in the compiled form: an array of flat numbers, which the collector does not walk.

*What it is.* Of a step the time, the number of the cell and the kind of event are kept, 24 bytes.
Other events are tuples, whose references are kept in the same place.

*Invariants.*
 G1  A reference in an item belongs to it: who takes the item out takes that over, or releases it.
 G2  Nothing is called while an item is half written, and a batch is taken out before anything of
     it is made into objects: what that calls (the collector, finalizers) may record events.

 G3  Of an event before which nothing has happened but that the scheduler took the next task, in
     the same turn, the clock is not asked: it has the time of the event before it. To ask takes
     half of the time that it takes to record a step. So a poll begins when the one before it has
     ended, and those who yielded are woken at the same time, sixteen of them at most.
 G4  A cell that is known is referred to by whoever numbers it, and forgotten before it is let go.

*Threads.* Any, one at a time, as the interpreter's lock has it; lines are made without that.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cimport cython

import time
from types import BuiltinFunctionType

from rescind.trace.events import encoded_line


cdef extern from *:
    """
    /* What time.monotonic_ns() returns, without an object. */
    static CYTHON_INLINE long long rescind_monotonic_ns(void) {
    #if PY_VERSION_HEX >= 0x030D0000
        PyTime_t at = 0;
        (void)PyTime_Monotonic(&at);
        return (long long)at;
    #else
        return (long long)_PyTime_GetMonotonicClock();
    #endif
    }

    static const char rescind_pairs[201] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

    /* Write a number that is not negative; return where it ends. */
    static char *rescind_digits(char *out, unsigned long long value) {
        char text[20];
        int at = 20;
        while (value >= 100) {
            unsigned pair = (unsigned)(value % 100) * 2;
            value /= 100;
            text[--at] = rescind_pairs[pair + 1];
            text[--at] = rescind_pairs[pair];
        }
        if (value >= 10) {
            text[--at] = rescind_pairs[value * 2 + 1];
            text[--at] = rescind_pairs[value * 2];
        } else {
            text[--at] = (char)('0' + value);
        }
        memcpy(out, text + at, 20 - at);
        return out + (20 - at);
    }

    /* The same with a sign. */
    static char *rescind_number(char *out, long long value) {
        if (value < 0) {
            *out++ = '-';
            return rescind_digits(out, 0ULL - (unsigned long long)value);
        }
        return rescind_digits(out, (unsigned long long)value);
    }

    /* The last eight digits of a number, with zeros. */
    static char *rescind_eight(char *out, unsigned value) {
        int at;
        for (at = 6; at >= 0; at -= 2) {
            unsigned pair = value % 100 * 2;
            value /= 100;
            out[at] = rescind_pairs[pair];
            out[at + 1] = rescind_pairs[pair + 1];
        }
        return out + 8;
    }
    """
    long long rescind_monotonic_ns() noexcept nogil
    char *rescind_number(char *out, long long value) noexcept nogil
    char *rescind_eight(char *out, unsigned value) noexcept nogil


# The kinds of items: what `more` is of each.
cdef enum:
    OTHER = 0  # the event without its time, a tuple; in a batch that is to be written, its line
    WOKEN = 1  # the number of the cell that woke it, 0: none
    POLLED = 2
    PARKED = 3  # the words for what it waits for, a tuple, or 0; or the end of the line
    KINDS = 4

cdef enum:
    BATCH = 4096  # so many events are written at once
    STEP = 96  # the longest line of a step, without words
    KEPT = 1024  # so many words are kept as they are written
    SMALLEST = 1024  # so many events have room at first
    SLOTS = 4096  # so many numbers of cells are known without a dictionary
    SHARED = 16  # so many wake-ups at most have the same time
    HIGH = 100000000  # what is above it of a time changes seldom

# The clock that C reads at less cost; None if somebody has put another one in its place.
_DEFAULT = time.monotonic_ns if type(time.monotonic_ns) is BuiltinFunctionType else None


cdef inline bint refers(Item *item) noexcept nogil:
    return item.what % KINDS == OTHER or (item.what % KINDS == PARKED and item.more != 0)


cdef extern from *:
    """
    #define rescind_bytes(text) PyBytes_AS_STRING(text)
    #define rescind_bytes_size(text) PyBytes_GET_SIZE(text)
    """
    char *PyBytes_of "rescind_bytes"(PyObject *text) noexcept nogil
    Py_ssize_t PyBytes_GET_SIZE_of "rescind_bytes_size"(PyObject *text) noexcept nogil


cdef inline char *copied(char *out, size_t text) noexcept nogil:
    """Write bytes."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE_of(<PyObject *>text)
    memcpy(out, PyBytes_of(<PyObject *>text), size)
    return out + size


cdef class Batch:
    """Events that were taken out."""

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.items is NULL:
            return
        for i in range(self.count):
            if refers(&self.items[i]):
                Py_XDECREF(<PyObject *>self.items[i].more)
        free(self.items)

    cdef list events(self):
        cdef list found = []
        cdef Item *item
        cdef Py_ssize_t i
        for i in range(self.count):
            item = &self.items[i]
            cell = item.what // KINDS
            kind = item.what % KINDS
            if kind == OTHER:
                found.append((item.at, *<tuple><PyObject *>item.more))
            elif kind == WOKEN:
                found.append((item.at, "woken", cell, item.more if item.more else None))
            elif kind == POLLED:
                found.append((item.at, "polled", cell))
            elif item.more:
                found.append((item.at, "parked", cell, *<tuple><PyObject *>item.more))
            else:
                found.append((item.at, "parked", cell, "", None))
        return found

    cdef bytes lines(self, dict known):
        """Return their lines; ``known`` has words as they are written."""
        cdef Py_ssize_t i, size = 0
        cdef Item *item
        for i in range(self.count):
            item = &self.items[i]
            size += STEP
            if not refers(item):
                continue
            value = <object><PyObject *>item.more
            if item.what % KINDS == OTHER:
                text = encoded_line((item.at, *<tuple>value))
            else:
                text = known.get(value)
                if text is None:
                    if len(known) >= KEPT:
                        known.clear()
                    # The end of a line, and so that of one with these words alone.
                    text = known[value] = encoded_line(value)[1:]
            Py_INCREF(text)
            item.more = <size_t><PyObject *>text
            size += PyBytes_GET_SIZE(text)
            Py_XDECREF(<PyObject *>value)
        cdef char *out = <char *>malloc(size)
        if out is NULL:
            raise MemoryError
        cdef Py_ssize_t used
        with nogil:
            used = self.write(out)
        try:
            return PyBytes_FromStringAndSize(out, used)
        finally:
            free(out)

    cdef Py_ssize_t write(self, char *out) noexcept nogil:
        """Write what `lines` has prepared; return how much that is."""
        cdef char *to = out
        cdef char high[24]  # the first digits of the time, which are the same for long
        cdef Py_ssize_t known = 0
        cdef long long last = -1
        cdef Py_ssize_t i
        cdef Item *item
        for i in range(self.count):
            item = &self.items[i]
            if item.what % KINDS == OTHER:
                to = copied(to, item.more)
                continue
            to[0] = b"["
            to += 1
            if item.at < HIGH:
                to = rescind_number(to, item.at)
            else:
                if item.at // HIGH != last:
                    last = item.at // HIGH
                    known = rescind_number(high, last) - high
                memcpy(to, high, known)
                to = rescind_eight(to + known, <unsigned>(item.at % HIGH))
            if item.what % KINDS == WOKEN:
                memcpy(to, b',"woken",', 9)
                to = rescind_number(to + 9, item.what // KINDS)
                if item.more:
                    to[0] = b","
                    to = rescind_number(to + 1, <long long>item.more)
                else:
                    memcpy(to, b",null", 5)
                    to += 5
                memcpy(to, b"]\n", 2)
                to += 2
            elif item.what % KINDS == POLLED:
                memcpy(to, b',"polled",', 10)
                to = rescind_number(to + 10, item.what // KINDS)
                memcpy(to, b"]\n", 2)
                to += 2
            else:
                memcpy(to, b',"parked",', 10)
                to = rescind_number(to + 10, item.what // KINDS)
                if item.more:
                    to[0] = b","
                    to = copied(to + 1, item.more)
                else:
                    memcpy(to, b',"",null]\n', 10)
                    to += 10
        return to - out


cdef inline size_t slot_of(Cell cell) noexcept:
    # Fibonacci hashing, with 12 bits left: addresses differ in the middle.
    return (<unsigned long long><size_t><void *>cell * 0x9E3779B97F4A7C15ULL) >> 52


cdef inline Executor executor_of(Cell cell):
    executor = cell.cx.executor
    return <Executor>executor if isinstance(executor, Executor) else None


@cython.final
cdef class Ring:
    """See `rescind.trace.ring.Ring`."""

    def __cinit__(self):
        self._known = <Known *>calloc(SLOTS, sizeof(Known))
        if self._known is NULL:
            raise MemoryError

    def __init__(self, limit, clock, full=None):
        self.limit = limit
        self._mark = self.limit // 2 if full is not None else self.limit
        self._clock = None if clock is _DEFAULT else clock
        self._full = full
        self._encoded = {}

    def __dealloc__(self):
        cdef Py_ssize_t i
        cdef Item *item
        for i in range(self._count):
            item = &self._items[(self._first + i) % self._capacity]
            if refers(item):
                Py_XDECREF(<PyObject *>item.more)
        free(self._items)
        free(self._known)

    def __len__(self):
        return self._count

    cpdef woken(self, long long cell, long long by):
        self._put(self._now(), cell * KINDS + WOKEN, <size_t>by)

    cpdef polled(self, long long cell):
        self._put(self._now(), cell * KINDS + POLLED, 0)

    cpdef parked(self, long long cell, tuple words):
        cdef long long at = self._now()
        cdef size_t more = 0
        if words is not None:
            Py_INCREF(words)
            more = <size_t><PyObject *>words
        self._put(at, cell * KINDS + PARKED, more)

    # The numbers of cells that were asked for lately; a dictionary takes ten times as long (G4).

    cdef long long known(self, Cell cell) noexcept:
        """Return the number of a cell; 0: it is not among them."""
        cdef Known *known = &self._known[slot_of(cell)]
        return known.number if known.cell is <void *>cell else 0

    cdef int know(self, Cell cell, long long number) except -1:
        cdef Known *known = &self._known[slot_of(cell)]
        known.cell, known.number = <void *>cell, number
        return 0

    cdef int forget(self, Cell cell) except -1:
        cdef Known *known = &self._known[slot_of(cell)]
        if known.cell is <void *>cell:
            known.cell = NULL
        return 0

    cdef int forget_all(self) noexcept:
        """Know no cell: whoever begins to number them has let go of those of before (G4)."""
        memset(self._known, 0, SLOTS * sizeof(Known))
        return 0

    # The same as `woken`, `polled` and `parked`, for whoever has the cell (G3).

    cdef int woken_in(self, Cell cell, long long number, long long by) except -1:
        cdef Executor executor = None
        cdef int shared = 0
        if not by:
            executor = executor_of(cell)
            if executor is not None and not executor._turning:
                executor = None
        if self._kind == WOKEN and self._shared < SHARED and self._same_turn(executor):
            shared = self._shared + 1
        self._put(self._last if shared else self._now(), number * KINDS + WOKEN, <size_t>by)
        self._mark_turn(executor, WOKEN)
        self._shared = shared
        return 0

    cdef int polled_in(self, Cell cell, long long number) except -1:
        cdef Executor executor = executor_of(cell)
        cdef bint shared = (
            self._kind != OTHER and self._same_turn(executor) and executor.current is cell
        )
        return self._put(self._last if shared else self._now(), number * KINDS + POLLED, 0)

    cdef int parked_in(self, Cell cell, long long number, tuple words) except -1:
        cdef Executor executor = executor_of(cell)
        self.parked(number, words)
        if executor is not None and executor.current is cell:
            self._mark_turn(executor, PARKED)
        return 0

    cdef bint _same_turn(self, Executor executor) noexcept:
        """Was the latest event one of this turn that may be shared?"""
        return (
            executor is not None
            and self._turns_of is <void *>executor
            and self._turn == executor._counts.turns
        )

    cdef int _mark_turn(self, Executor executor, int kind) except -1:
        """Remember in which turn the latest event was, so that the next one may have its time."""
        if executor is not None and self._clock is None:
            self._kind = kind
            self._turns_of = <void *>executor
            self._turn = executor._counts.turns
        return 0

    cpdef append(self, tuple event):
        cdef long long at = self._now()
        Py_INCREF(event)
        self._put(at, OTHER, <size_t><PyObject *>event)

    def events(self):
        return tuple(self._taken(self._count, True).events())

    def lines(self):
        cdef bytes text
        if not self._count:
            return b""
        self._called = False
        text = self._taken(BATCH, False).lines(self._encoded)
        if not self._count and self.dropped != self._told:
            lost = self.dropped - self._told
            self._told = self.dropped
            text += encoded_line((self._now(), "dropped", lost))
        return text

    cdef long long _now(self) except? -1:
        if self._clock is None:
            return rescind_monotonic_ns()
        return self._clock()

    cdef int _put(self, long long at, long long what, size_t more) except -1:
        cdef Item *item
        cdef Item gone
        self._last = at
        self._kind = OTHER
        cdef Py_ssize_t index
        if self._count == self.limit:
            self.dropped += 1
            gone.what, gone.more = what, more
            if self._full is None:
                # The oldest makes room. The array has its full size, since it is full.
                item = &self._items[self._first]
                gone = item[0]
                item.at, item.what, item.more = at, what, more
                self._first += 1
                if self._first == self._capacity:
                    self._first = 0
            if refers(&gone):
                Py_XDECREF(<PyObject *>gone.more)
            return 0
        if self._count == self._capacity:
            self._grow()
        index = self._first + self._count
        if index >= self._capacity:
            index -= self._capacity
        item = &self._items[index]
        item.at, item.what, item.more = at, what, more
        self._count += 1
        if self._count > self._mark and not self._called:
            self._called = True
            if self._full is not None:
                self._full()
        return 0

    cdef int _grow(self) except -1:
        cdef Py_ssize_t capacity = min(self.limit, max(<Py_ssize_t>SMALLEST, self._capacity * 2))
        cdef Item *items = <Item *>malloc(capacity * sizeof(Item))
        cdef Py_ssize_t ahead = self._capacity - self._first
        if items is NULL:
            raise MemoryError
        if self._capacity:  # it is full: from the first to its end, and from its beginning
            memcpy(items, self._items + self._first, ahead * sizeof(Item))
            memcpy(items + ahead, self._items, self._first * sizeof(Item))
        free(self._items)
        self._items, self._capacity, self._first = items, capacity, 0
        return 0

    cdef Batch _taken(self, Py_ssize_t most, bint kept):
        """Return the oldest events, so many at most; those that are kept are there twice (G1)."""
        cdef Batch batch = Batch()
        cdef Py_ssize_t count = min(most, self._count)
        cdef Py_ssize_t ahead = min(count, self._capacity - self._first)
        cdef Py_ssize_t i
        if not count:
            return batch
        batch.items = <Item *>malloc(count * sizeof(Item))
        if batch.items is NULL:
            raise MemoryError
        memcpy(batch.items, self._items + self._first, ahead * sizeof(Item))
        memcpy(batch.items + ahead, self._items, (count - ahead) * sizeof(Item))
        batch.count = count
        if kept:
            for i in range(count):
                if refers(&batch.items[i]):
                    Py_INCREF(<object><PyObject *>batch.items[i].more)
        else:
            self._first = (self._first + count) % self._capacity
            self._count -= count
        return batch
