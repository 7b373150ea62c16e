"""`dataclass(frozen=True, slots=True)`, made in a tenth of the time.

Before Python 3.13 the library compiles six methods for each class, half a millisecond in all, and a command needs a
hundred classes: that was a third of its time. Here one function serves all classes, and the one method that has to be
compiled, `__init__`, is when the first object is made. To the rest of the program, and to whatever checks types, these
are dataclasses as any other; from 3.13 on they are the library's own.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


def _dataclass_here(*, frozen: bool, slots: bool) -> Any:
    """Return a decorator for a frozen class with slots, which must not inherit from another such class."""
    if not (frozen and slots):
        raise TypeError("only frozen classes with slots are made here")
    return _made


def _made(cls: type) -> Any:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    made.__init__ = _init_first
    for method in (_repr, _eq, _hash, _setattr, _delattr, _getstate, _setstate):
        name = f"_{method.__name__}__"  # `_repr` serves as `__repr__`
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _init_first(self: Any, *args: Any, **named: Any) -> None:
    """Compile the real `__init__`, put it in this one's place, and call it."""
    cls = type(self)
    cls.__init__ = _init_of(cls)
    cls.__init__(self, *args, **named)


def _init_of(cls: type) -> Any:
    names: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    parameters, lines = ["self"], []
    for field in dataclasses.fields(cls):
        name = field.name
        value = name
        if field.default is not MISSING:
            names[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        elif field.default_factory is not MISSING:
            names[f"_make_{name}"] = field.default_factory
            parameters.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {value})")
    lines += [" self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    exec(f"def __init__({', '.join(parameters)}):\n" + ("\n".join(lines) or " pass"), names)  # noqa: S102 - as the library
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _shown(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls) if field.repr]


def _compared(value: Any) -> Any:
    """Return what an object is compared by."""
    cls = type(value)
    get = _GETTERS.get(cls)
    if get is None:
        names = [field.name for field in dataclasses.fields(cls) if field.compare]
        get = _GETTERS[cls] = attrgetter(*names) if names else lambda _: ()
    return get(value)


_GETTERS: dict[type, Any] = {}


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _shown(type(self)))
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _compared(self)))


def _setattr(_self: Any, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


if TYPE_CHECKING or sys.version_info >= (3, 13):
    from dataclasses import dataclass
else:
    dataclass = _dataclass_here
