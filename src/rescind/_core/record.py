"""`Record`: frozen data, as a dataclass is for whoever uses it, made without one.

*What it is.* What ``@dataclass(frozen=True, slots=True)`` gives: equality, a hash, ``repr``,
pickling, ``match``, `dataclasses.replace` and `dataclasses.fields`. A subclass says what its fields
are by ``__slots__`` and ``__match_args__``, and writes its ``__init__``.

*What it is not.* For every record: a dataclass is shorter. This is for the few that each program
imports, where `dataclasses` and the code that it makes and compiles were a fifth of the import.

*Threads.* Any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field

    _Fields = dict[str, Field[Any]]

__all__ = ["Record", "deletable", "fill", "settable"]

#: Dataclasses with the same fields, by class; made when somebody asks what those are.
_twins: Final[dict[type, type]] = {}


class _Lent:
    """What only dataclasses have, and a record too as soon as somebody asks for it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, record: object, kind: type[Record]) -> Any:
        if kind not in _twins:
            from dataclasses import make_dataclass

            _twins[kind] = make_dataclass(kind.__name__, kind.__match_args__, frozen=True)
        return getattr(_twins[kind], f"__dataclass_{self._name}__")


def _lent(name: str) -> Any:
    return _Lent(name)


@dataclass_transform(frozen_default=True)  #: compiled: # for type checkers
class Record:
    """Frozen data."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    #: compiled: __dataclass_fields__ = _lent("fields")
    __dataclass_fields__: ClassVar[_Fields] = _lent("fields")  #: compiled: pass
    __dataclass_params__ = _lent("params")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(_values(self))

    def __repr__(self) -> str:
        fields = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({', '.join(fields)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _values(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise _frozen(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise _frozen(f"cannot delete field {name!r}")


#: ``__setattr__`` and ``__delattr__`` of a class whose instances become records (``__class__``)
#: when they are filled. Both: in a class that has one of them from Python, to set is a call.
settable: Final[Any] = object.__setattr__
deletable: Final[Any] = object.__delattr__


def fill(record: Record, *values: object) -> None:
    """Set the fields of a record that is being made, in the order of its ``__match_args__``."""
    kind = type(record)
    for name, value in zip(kind.__match_args__, values, strict=True):
        getattr(kind, name).__set__(record, value)  # by its slot: by its name it is frozen


def _values(record: Any) -> tuple[object, ...]:
    return tuple([getattr(record, name) for name in record.__match_args__])


def _frozen(text: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(text)
