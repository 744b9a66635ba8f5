"""Conformance: what an adapter's author subclasses. One class holds every topic; each topic is a class of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from fra.core import ExchangeCapabilities, ExchangePluginInterface, Operation
from fra.testkit.calls import READS, STREAMS, cells, empty_cells, kinds_of
from fra.testkit.check import Case, Needs
from fra.testkit.venue import VenueUnderTest


class Topic:
    """The base of all topics. Subclass one (or :class:`Conformance`), name the adapter, and give it a venue."""

    adapter: ClassVar[str | type[ExchangePluginInterface]]
    """The name of the adapter's entry point, or its class."""
    topic: ClassVar[str] = "adapter"

    def venue(self) -> AbstractAsyncContextManager[VenueUnderTest]:
        """Where the adapter is pointed; entered once, and left after the last test of the module.

        Without one of its own, a class takes what the command line says.
        """
        raise NotImplementedError


def topic_of(cls: type[Topic], name: str) -> str:
    """The topic that a test of a class belongs to."""
    for base in cls.__mro__:
        if name in vars(base):
            return str(getattr(base, "topic", Topic.topic))
    return Topic.topic


def tests_of(cls: type[Topic]) -> Iterator[tuple[str, Needs]]:
    """The tests of a class, by name."""
    for name in dir(cls):
        needs = getattr(getattr(cls, name), "fra_needs", None)
        if name.startswith("test_") and isinstance(needs, Needs):
            yield name, needs


def cases_of(needs: Needs, capabilities: ExchangeCapabilities) -> list[Case]:
    """What a test is run for, by what the adapter's class says of itself; None where it has nothing of that."""
    cases: Sequence[Case] = ()
    match needs.scope:
        case "kind":
            cases = kinds_of(capabilities)
        case "swap":
            cases = [kind for kind in kinds_of(capabilities) if kind.is_swap]
        case "read":
            cases = cells(READS, capabilities)
        case "stream":
            cases = cells(STREAMS, capabilities)
        case "empty":
            cases = empty_cells(capabilities)
        case "operation":
            cases = [*Operation]
    return [*cases] or [None]
