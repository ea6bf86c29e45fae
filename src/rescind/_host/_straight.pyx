# cython: language_level=3
"""The turn that a callback of the loop runs because one task is to go on, in one piece.

*What it is.* What `Executor.wake_directly` and `Executor.turn` do, for the compiled form, where nothing
but that task is to be done at first: it passes through no queue, and nothing is collected. Beside
`_core/_native.pyx` without an interpreted twin: where it is used stands beside the Python that it replaces.

*What it is not.* Another executor: what is to be collected, and whoever derives from the executor or
chooses who comes next, is left to its own methods. The invariants are those of `executor`.

*Threads.* The executor's thread.
"""

from cpython.object cimport PyObject, PyTypeObject

from rescind._core._native cimport Fifo, get_executor, get_ident, set_executor, taken
from rescind._core.cell cimport wake_up
from rescind._core.counts cimport Counts
from rescind._core.engine cimport Engine
from rescind._core.executor cimport Executor, time_of
from rescind._core.hooks cimport Hooks
from rescind._core.task cimport Task
from rescind._core.vigil cimport Vigil, clock

from collections import deque

from rescind._core.executor import _STEPS_PER_TURN
from rescind._core.hooks import hooks as _observed
from rescind._core.phase import Phase


cdef extern from "Python.h":
    PyTypeObject *Py_TYPE(object one) noexcept
    Py_ssize_t Py_SIZE(object one) noexcept


cdef object _deque = deque
cdef Hooks hooks = _observed
cdef int _MOST = _STEPS_PER_TURN
cdef int _READY = Phase.READY
cdef int _PARKED = Phase.PARKED


cdef inline bint _has(object inbox) except -1:
    """``bool(inbox)``"""
    if <PyObject *>Py_TYPE(inbox) is <PyObject *>_deque:
        return Py_SIZE(inbox) != 0
    return bool(inbox)


cdef bint _collects(Executor executor) except -1:
    """Is there anything else than a task that a turn begins with?"""
    if executor._deferred or _has(executor._inbox):
        return True
    if executor._timers._alive == 0:
        return False
    at = executor._timers.next_at()
    return at is not None and at <= time_of(executor._clock)


cdef int wake_straight(Engine engine, object waker) except -1:
    """``engine.wake_directly(waker)``"""
    if type(engine) is not Executor or (<Executor>engine)._turning:
        engine.wake_directly(waker)
        return 0
    cdef Executor executor = <Executor>engine
    cdef Fifo ready = executor._ready
    cdef Task task
    if type(ready) is not Fifo or _collects(executor):
        executor.wake_directly(waker)
        return 0
    if (
        type(waker) is Task
        and (<Task>waker)._phase == _PARKED
        and (<Task>waker)._executor is executor
        and ready._count == 0
        and hooks.woken is None
        and executor.thread == get_ident()
    ):
        task = <Task>waker
        task._phase = _READY  # its entry in the queue is this call (S1)
        _turn(executor, task)
        return 0
    executor._turning = True
    try:
        wake_up(waker)
    finally:
        executor._turning = False
    if ready._count == 0:  # it was a stock task's, or nobody's
        executor._arm()
    elif executor._deferred or _has(executor._inbox):
        executor.turn()
    else:
        _turn(executor, taken(ready))
    return 0


cdef int _turn(Executor executor, Task task) except -1:
    """``executor.turn()``, from the first task on."""
    cdef Fifo ready = executor._ready
    cdef Counts counts = executor._counts
    cdef Vigil vigil = executor.vigil
    cdef int steps = 0
    cdef int round_ends = min(1 + ready._count, <Py_ssize_t>_MOST)
    cdef double began, took
    outer = get_executor()
    executor._turning = True
    set_executor(executor)
    executor.thread = get_ident()
    counts.turns += 1
    try:
        began = clock(vigil)
        executor.keeps = True
        while True:
            executor.current = task
            executor.budget = executor._budget
            steps += 1
            task.step()
            if steps < round_ends:
                task = taken(ready)
                continue
            task = None
            if _has(executor._inbox):
                executor.resign()
                executor.drain()
            if ready._count == 0 or steps >= _MOST:
                break
            round_ends = min(steps + ready._count, <Py_ssize_t>_MOST)
            task = taken(ready)
    finally:
        counts.steps += steps
        executor.keeps = False
        executor.resign()
        if vigil is not None:
            took = clock(vigil) - began
            if took > vigil.slow or vigil.wants:
                vigil.turned(executor, took, steps)
        executor.current = None
        executor._turning = False
        set_executor(outer)
        if ready._count or executor._deferred or executor._timers._alive:  # as `_arm` looks itself
            executor._arm()
    return 0
