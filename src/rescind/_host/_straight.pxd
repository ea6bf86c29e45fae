# A turn for one task, of the compiled form; see docs/design/0065.

from rescind._core.engine cimport Engine


cdef int wake_straight(Engine engine, object waker) except -1
