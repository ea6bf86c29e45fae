cdef class Port:
    cpdef adopt(self, yielded)
    cpdef identify(self, coroutine, cell, label, bint root)
    cpdef retire(self, identity)


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
