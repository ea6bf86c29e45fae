cdef class Port:
    cpdef adopt(self, yielded)
    cpdef identify(self, coroutine, cell, label, bint root)
    cpdef retire(self, identity)
    cpdef foreign_request(self, identity)
    cpdef shielded(self, identity)
    cpdef call_soon(self, callback)


cdef inline adopted_by(host, yielded):
    """``host.adopt(yielded)``"""
    if isinstance(host, Port):
        return (<Port>host).adopt(yielded)
    return host.adopt(yielded)


cdef inline identified_by(host, coroutine, cell, label, bint root):
    """``host.identify(coroutine, cell, label, root)``"""
    if isinstance(host, Port):
        return (<Port>host).identify(coroutine, cell, label, root)
    return host.identify(coroutine, cell, label, root)


cdef inline retire(host, identity):
    """``host.retire(identity)``"""
    if isinstance(host, Port):
        (<Port>host).retire(identity)
    else:
        host.retire(identity)


cdef inline requested(host, identity):
    """``host.foreign_request(identity)``"""
    if isinstance(host, Port):
        return (<Port>host).foreign_request(identity)
    return host.foreign_request(identity)


cdef inline bint shielded(host, identity) except -1:
    """``host.shielded(identity)``"""
    if isinstance(host, Port):
        return (<Port>host).shielded(identity)
    return host.shielded(identity)


cdef inline soon(host, callback):
    """``host.call_soon(callback)``"""
    if isinstance(host, Port):
        return (<Port>host).call_soon(callback)
    return host.call_soon(callback)
