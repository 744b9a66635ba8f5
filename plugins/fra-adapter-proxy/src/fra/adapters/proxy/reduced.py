"""Models of a plugin's own, which travel as the model of fra's that they are: what of them stays behind is said.

A name that comes over the wire is never taken for a class to import, so a client knows fra's own models only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from typing import Final, final

import attrs

import fra.core

_OWN: Final = "fra.core."


def base(type_: type) -> type:
    """The model of fra's that it is, or itself where it is none."""
    return next((cls for cls in type_.__mro__ if cls.__module__.startswith(_OWN)), type_)


@cache
def _left(type_: Hashable) -> tuple[str, ...]:
    """The names of its fields that the model of fra's does not have."""
    assert isinstance(type_, type)
    known = base(type_)
    if known is type_:
        return ()
    if attrs.has(type_):
        names = {field.name for field in attrs.fields(known)}
        return tuple(field.name for field in attrs.fields(type_) if field.name not in names)
    return tuple(name for cls in type_.__mro__[: type_.__mro__.index(known)] for name in cls.__annotations__)


@final
class Reduced:
    """What one host has sent as less than it is."""

    def __init__(self) -> None:
        self.models: dict[str, list[str]] = {}
        """By the name of the class: what is left behind, the fields last."""

    def see(self, value: object) -> None:
        """``value`` is about to be sent: a model, or several."""
        if isinstance(value, fra.core.OrderBook):
            self._see(value)
            for side in (value.bids, value.asks):
                for level in side[:1]:
                    self._see(level)
        elif isinstance(value, list | tuple):
            self._see_all(value)
        else:
            self._see(value)

    def _see_all(self, values: Iterable[object]) -> None:
        for type_, value in {type(value): value for value in values}.items():
            if type_ not in (list, tuple):
                self._see(value)

    def _see(self, value: object) -> None:
        type_: type = type(value)
        if type_.__name__ not in self.models and (fields := _left(type_)):
            self.models[type_.__name__] = [base(type_).__name__, *fields]
