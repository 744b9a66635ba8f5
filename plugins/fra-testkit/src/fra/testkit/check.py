"""The decorator of a conformance test: what must be claimed and given for it to say anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from fra.core import MarketKind, Operation
from fra.testkit.outcomes import NotClaimed

if TYPE_CHECKING:
    from fra.testkit.bench import Bench

NO_CASE: Final = "none"
"""How pytest calls the case of a test that has none for this adapter."""
_NONE: Final = {
    "kind": "any market",
    "swap": "a market that pays funding",
    "read": "a call that reads",
    "stream": "a stream",
    "empty": "less than everything",
    "operation": "an operation",
}
Case = MarketKind | Operation | tuple[Operation, MarketKind] | None
Scope = Literal["adapter", "kind", "swap", "read", "stream", "empty", "operation"]
"""What a test is run for: the adapter once; each market kind; each kind that pays funding; each cell of reading calls
or of streams; each cell that is not claimed; each operation."""


@attrs.frozen(kw_only=True)
class Needs:
    """All of ``claims`` must be claimed (for the case's market kind), each of ``faults`` be a switch of the venue."""

    claims: tuple[Operation, ...] = ()
    scope: Scope = "adapter"
    account: bool = False
    trading: bool = False
    faults: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    """Counters of VenueUnderTest that it reads."""
    started: bool = True
    """Whether it needs the adapter to have started."""


class Test(Protocol):
    """A test method as pytest calls it."""

    fra_needs: Needs
    __name__: str

    def __call__(self, instance: object, bench: Bench, *case: Case) -> None: ...


def check(
    *claims: Operation,
    scope: Scope = "adapter",
    account: bool = False,
    trading: bool = False,
    faults: Sequence[str] = (),
    counts: Sequence[str] = (),
    started: bool = True,
) -> Callable[[Callable[..., Awaitable[None]]], Test]:
    """Make a test of an async method ``(self, bench)``, or ``(self, bench, case)`` where the scope has cases.

    It runs on the loop of the bench, so no plugin for async tests is needed.
    """
    needs = Needs(
        claims=claims,
        scope=scope,
        account=account or trading,
        trading=trading,
        faults=tuple(faults),
        counts=tuple(counts),
        started=started,
    )

    def decorate(function: Callable[..., Awaitable[None]]) -> Test:
        if needs.scope == "adapter":

            def test(self: object, bench: Bench) -> None:
                bench.judge(function.__name__, needs, None, lambda: function(self, bench))

        else:

            def test(self: object, bench: Bench, case: Case) -> None:  # type: ignore[misc]
                if case is None:
                    raise NotClaimed(_NONE[needs.scope])
                bench.judge(test_name(function.__name__, case), needs, case, lambda: function(self, bench, case))

        test.__name__ = function.__name__
        test.__qualname__ = function.__qualname__
        test.__doc__ = function.__doc__
        test.__module__ = function.__module__
        test.fra_needs = needs  # type: ignore[attr-defined]
        return test  # type: ignore[return-value]

    return decorate


def case_id(case: Case) -> str:
    """How a case is called: ``linear_swap``, ``get_trades``, ``get_trades-linear_swap``."""
    if case is None:
        return ""
    return "-".join(part.value for part in case) if isinstance(case, tuple) else case.value


def test_name(name: str, case: Case) -> str:
    """A test as the certificate calls it."""
    return name if case is None else f"{name}[{case_id(case)}]"


test_name.__test__ = False  # type: ignore[attr-defined]
