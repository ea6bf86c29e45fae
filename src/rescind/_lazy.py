"""Names of a facade that are imported when somebody first asks for them (PEP 562).

*What it is.* ``__getattr__`` and ``__dir__`` for a package some names of which are at home in
modules that not every program needs. A name that was asked for is kept in the package, so that the
next access is an ordinary one.

*What it is not.* A proxy: what comes back is the thing itself.

*Threads.* Any: two that ask at the same time get the same thing, by the lock of the import.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules

__all__ = ["lazily"]


def lazily(
    package: str, names: Mapping[str, tuple[str, ...]], submodules: tuple[str, ...] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Args:
        package: its name.
        names: by module, what it is the home of.
        submodules: modules of the package that are imported too when somebody asks for them.
    """
    homes = {name: module for module, found in names.items() for name in found}

    def attribute(name: str) -> object:
        if name in submodules:
            # The import system keeps it in the package.
            return import_module(f"{package}.{name}")
        try:
            home = homes[name]
        except KeyError:
            text = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=modules[package]) from None
        found = getattr(import_module(home), name)
        setattr(modules[package], name, found)
        return found

    def listing() -> list[str]:
        return sorted({*vars(modules[package]), *homes, *submodules})

    return attribute, listing
