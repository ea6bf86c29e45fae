from rescind._core.outcome cimport Canceled, Error, also_of, canceled


cpdef ended_by(exc, request)
