"""One REST call of a venue as a row of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Generic, Literal, TypeVar

import attrs
import msgspec

from fra.core import MarketKind, Operation, Symbol

R_co = TypeVar("R_co", covariant=True)

Params = Mapping[str, object]
"""Parameters of one call: None leaves one out, Decimals are sent in fixed point, bools as ``true`` and ``false``."""

Costs = Mapping[str, int]
"""What a call costs the venue's budgets: scope → units."""

Serves = Operation | tuple[Operation, ...] | None


def operations_of(serves: Serves) -> tuple[Operation, ...]:
    """``serves`` of a row as a tuple."""
    if serves is None:
        return ()
    return (serves,) if isinstance(serves, Operation) else serves


@attrs.frozen(slots=False)
class Endpoint(Generic[R_co]):
    """One call: ``await self.http.request(ENDPOINT, params)`` gives a ``response``, decoded straight from the bytes.

    ``serves`` names the operations that this call makes work for ``kinds`` (None for a helper call, such as the
    server's time); the capability matrix is derived from it. ``market`` is the venue's own market name, the key of
    the base URLs. ``path`` may hold ``{names}``, taken out of the parameters. ``cost`` is fixed or a function of the
    parameters. ``signed`` calls go through the AuthHandler, which refuses them without credentials; ``key_only``
    ones carry the key and no signature. ``outcome_id`` marks a call that changes something at the venue (an order): it
    is never repeated, and no usable answer becomes OrderOutcomeUnknown with the client order id found in the
    parameter of that name. ``body`` says where parameters go: in the query, or in a JSON or form body, or
    (``json_rows``) as a JSON array that the parameter ``rows`` holds.
    ``strict=False`` lets numbers be read out of JSON strings, as book rows are.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    response: type[R_co]
    market: str = attrs.field(kw_only=True)
    serves: Serves = attrs.field(kw_only=True, default=None)
    kinds: tuple[MarketKind, ...] = attrs.field(kw_only=True, default=())
    cost: Costs | Callable[[Params], Costs] = attrs.field(kw_only=True, factory=dict)
    signed: bool = attrs.field(kw_only=True, default=False)
    key_only: bool = attrs.field(kw_only=True, default=False)
    outcome_id: str | None = attrs.field(kw_only=True, default=None)
    body: Literal["query", "json", "json_rows", "form"] = attrs.field(kw_only=True, default="query")
    url: str = attrs.field(kw_only=True, default="rest")
    strict: bool = attrs.field(kw_only=True, default=True)

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[R_co]:
        """Made on first use: importing an adapter must not pay for every type."""
        return msgspec.json.Decoder(self.response, strict=self.strict)

    def costs(self, params: Params) -> Costs:
        """What this call costs with these parameters."""
        return self.cost(params) if callable(self.cost) else self.cost

    @property
    def safe(self) -> bool:
        """Whether it may be sent again when no answer came."""
        return self.method == "GET" and self.outcome_id is None


def endpoint_for(rows: Iterable[Endpoint[R_co]], symbol: Symbol) -> Endpoint[R_co]:
    """The row that serves ``symbol``: of its market where the symbol names one, else of its kind.

    Raises LookupError when there is none; the host asks capabilities first, so that is a hole in the tables.
    """
    for row in rows:
        if symbol.kind in row.kinds and symbol.market in ("", row.market):
            return row
    raise LookupError(f"no endpoint row for {symbol.name} ({symbol.kind.value}, market {symbol.market!r})")
