from rescind._core.outcome cimport Canceled, Error, also_of, canceled
from rescind._core.reason cimport CancelRequest


cpdef ended_by(exc, CancelRequest request)
