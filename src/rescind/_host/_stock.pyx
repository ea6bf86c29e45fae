# cython: language_level=3
"""asyncio's own futures, asked as asyncio's own tasks ask them: without looking for a method.

*What it is.* Beside `_core/_native.pyx` the only module without an interpreted twin: each line that uses
it stands beside the Python that it replaces (``#: compiled:``). A function of C's is called as the
descriptor that has it would, once the class is known to be the one that it is of.

*What it is not.* For subclasses: they may answer otherwise, and are asked by their methods.

*Threads.* Any.
"""

from cpython.object cimport PyObject, PyTypeObject

import asyncio
from types import GetSetDescriptorType, MethodDescriptorType


cdef extern from *:
    """
    static CYTHON_INLINE PyObject *rescind_ask(PyObject *method, PyObject *self) {
        PyMethodDef *what = ((PyMethodDescrObject *)method)->d_method;
        if (what->ml_flags == METH_NOARGS) {
            return what->ml_meth(self, NULL);
        }
        return PyObject_CallOneArg(method, self);
    }
    static CYTHON_INLINE PyObject *rescind_tell(PyObject *method, PyObject *self, PyObject *one) {
        PyMethodDef *what = ((PyMethodDescrObject *)method)->d_method;
        PyObject *both[] = {self, one};
        if (what->ml_flags == (METH_FASTCALL | METH_KEYWORDS)) {
            void (*how)(void) = (void (*)(void))what->ml_meth;
            return ((PyObject * (*)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *))how)(
                self, both + 1, 1, NULL);
        }
        return PyObject_Vectorcall(method, both, 2, NULL);
    }
    static CYTHON_INLINE PyObject *rescind_read(PyObject *attribute, PyObject *self) {
        PyGetSetDef *what = ((PyGetSetDescrObject *)attribute)->d_getset;
        return what->get(self, what->closure);
    }
    static CYTHON_INLINE int rescind_write(PyObject *attribute, PyObject *self, PyObject *value) {
        PyGetSetDef *what = ((PyGetSetDescrObject *)attribute)->d_getset;
        return what->set(self, value, what->closure);
    }
    """
    object rescind_ask(object method, object self)
    object rescind_tell(object method, object self, object one)
    object rescind_read(object attribute, object self)
    int rescind_write(object attribute, object self, object value) except -1
    PyTypeObject *Py_TYPE(object one) noexcept


cdef extern from *:
    """
    /* A type made by Cython cannot say so; one that has no such function is called as ever. */
    static void rescind_called_by(PyTypeObject *type, Py_ssize_t offset) {
        type->tp_vectorcall_offset = offset;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(type);
    }

    /* One type's freed objects, to be made anew: Cython keeps none of a class that has a base. That
       one was finalized is noted beside it, and would be of what is made of it too. */
    #define RESCIND_SPARE 32
    static PyObject *rescind_spare[RESCIND_SPARE];
    static int rescind_spares = 0;

    static PyObject *rescind_alloc(PyTypeObject *type, Py_ssize_t items) {
        if (rescind_spares == 0) {
            return PyType_GenericAlloc(type, items);
        }
        PyObject *made = rescind_spare[--rescind_spares];
        memset(made + 1, 0, (size_t)type->tp_basicsize - sizeof(PyObject));
        PyObject_Init(made, type);
        PyObject_GC_Track(made);
        return made;
    }
    static void rescind_free(void *freed) {
        if (rescind_spares < RESCIND_SPARE) {
            rescind_spare[rescind_spares++] = (PyObject *)freed;
        } else {
            PyObject_GC_Del(freed);
        }
    }
    static int rescind_remake(PyTypeObject *type) {
        if (type->tp_finalize != NULL || (type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
            PyErr_Format(PyExc_TypeError, "%s has a finalizer, or is not of C", type->tp_name);
            return -1;
        }
        type->tp_alloc = rescind_alloc;
        type->tp_free = rescind_free;
        return 0;
    }
    """
    void rescind_called_by(PyTypeObject *type, Py_ssize_t offset) noexcept
    int rescind_remake(PyTypeObject *type) except -1


cdef object _future = asyncio.Future
cdef object _task = asyncio.Task
cdef object _get_loop = _future.get_loop
cdef object _done = _future.done
cdef object _add_done_callback = _future.add_done_callback
cdef object _blocking = _future._asyncio_future_blocking
# Are they made in C, here? If not, no future is of a class that is known.
cdef bint _in_c = (
    type(_get_loop) is MethodDescriptorType
    and type(_done) is MethodDescriptorType
    and type(_add_done_callback) is MethodDescriptorType
    and type(_blocking) is GetSetDescriptorType
)


cdef bint _known(object future) noexcept:
    cdef PyObject *kind = <PyObject *>Py_TYPE(future)
    return _in_c and (kind is <PyObject *>_future or kind is <PyObject *>_task)


cdef bint is_awaited_on(object future, object loop) except -1:
    """Is it certainly asyncio's, of this loop, and just yielded by a coroutine that awaits it?"""
    if not _known(future):
        return False
    return rescind_ask(_get_loop, future) is loop and rescind_read(_blocking, future) is True


cdef bint is_done(object future) except -1:
    """``future.done()``"""
    return rescind_ask(_done, future) if _known(future) else future.done()


cdef int call_at_end(object future, object callback) except -1:
    """``future.add_done_callback(callback)``"""
    if _known(future):
        rescind_tell(_add_done_callback, future, callback)
    else:
        future.add_done_callback(callback)
    return 0


cdef int understand(object future) except -1:
    """``future._asyncio_future_blocking = False``"""
    if _known(future):
        rescind_write(_blocking, future, False)
    else:
        future._asyncio_future_blocking = False
    return 0


cdef class Callback(Future):
    """What a future of asyncio's calls at its end: `tell`, with no tuple of arguments on the way."""

    cpdef tell(self):
        """Note that the future is done."""
        raise NotImplementedError

    def __call__(self, _future):
        self.tell()


cdef object called_directly(Callback self, void *arguments, size_t count, void *names):
    """What the vectorcall protocol calls for it."""
    self.tell()


def called(type kind):
    """Have a declared class that derives from `Callback` called by that protocol, and made anew.

    For one class: what is kept of its instances is of its size.
    """
    cdef Callback one = kind.__new__(kind)
    cdef Py_ssize_t offset = <char *>&one._vectorcall - <char *><PyObject *>one
    del one
    rescind_remake(<PyTypeObject *>kind)
    rescind_called_by(<PyTypeObject *>kind, offset)
