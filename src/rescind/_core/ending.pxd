from rescind._core.outcome cimport Canceled, Error, also_of


cpdef ended_by(exc, request)
