"""Which kinds of orders an adapter refuses by itself: each is given to one that reaches nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ccxt_local import KEY, SECRET, WORD, LocalContext

from fra.core import (
    ExchangeConfig,
    ExchangePluginInterface,
    FraError,
    MarketKind,
    NotSupported,
    OrderRequest,
    OrderType,
    PositionSide,
    RateLimit,
    RateLimiter,
    Secret,
    Side,
    Symbol,
    TimeInForce,
)

NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""
_AMOUNT: Final = {"amount": Decimal(1)}
_LIMIT: Final = {"type": OrderType.LIMIT, "price": Decimal(100), **_AMOUNT}
_MARKET: Final = {"type": OrderType.MARKET, **_AMOUNT}
_STOP: Final = {"type": OrderType.STOP, "trigger_price": Decimal(110), **_AMOUNT}
_TAKE: Final = {"type": OrderType.TAKE_PROFIT, "trigger_price": Decimal(90), **_AMOUNT}

FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "limit": _LIMIT,
    "limit, IOC": {**_LIMIT, "time_in_force": TimeInForce.IOC},
    "limit, FOK": {**_LIMIT, "time_in_force": TimeInForce.FOK},
    "limit, post-only": {**_LIMIT, "post_only": True},
    "market buy by `amount`": _MARKET,
    "market buy, FOK": {**_MARKET, "time_in_force": TimeInForce.FOK},
    "market buy by `quote_amount`": {"type": OrderType.MARKET, "quote_amount": Decimal(100)},
    "stop": _STOP,
    "stop with a price": {**_STOP, "price": Decimal(111)},
    "take-profit": _TAKE,
    "take-profit with a price": {**_TAKE, "price": Decimal(89)},
    "reduce-only": {**_LIMIT, "reduce_only": True},
    "with a position side": {**_LIMIT, "position_side": PositionSide.LONG},
}
"""What is asked for: the fields of an order to buy."""


class Unhurried(LocalContext):
    """Lends no budget: nothing comes to the venue."""

    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> RateLimiter:
        return RateLimiter()


def concerns(form: str, kind: MarketKind) -> bool:
    """Whether there is such a thing: positions are of contracts, and what is spent is said of spot."""
    spot = kind is MarketKind.SPOT
    if "quote_amount" in FORMS[form]:
        return spot
    return not spot if {"reduce_only", "position_side"} & FORMS[form].keys() else True


def symbol(kind: MarketKind, market: str) -> Symbol:
    """A symbol of this kind that nobody lists."""
    settle = None if kind is MarketKind.SPOT else "BTC" if kind.is_inverse else "USDT"
    quote = "USD" if kind.is_inverse else "USDT"
    name = f"BTC/{quote}" + (f":{settle}" if settle else "")
    one = Decimal(1)
    return Symbol(
        name=name, venue_id="BTC", kind=kind, base="BTC", quote=quote, settle=settle, tick_size=one, lot_size=one,
        contract_size=one, market=market,
    )  # fmt: skip


async def refused(
    cls: type[ExchangePluginInterface], name: str, kinds: Collection[MarketKind]
) -> Mapping[str, frozenset[MarketKind]]:
    """Kind of order → the market kinds for which it is refused."""
    config = ExchangeConfig(
        name=name, exchange_id=name, base_url=NOWHERE, timeout=1.0,
        api_key=Secret(KEY), secret_key=Secret(SECRET), passphrase=Secret(WORD),
    )  # fmt: skip
    plugin = cls(config)
    plugin.options = cls.Options()
    plugin.context = Unhurried(name)
    await plugin.initialize()
    try:
        asked = [(form, kind) for form in FORMS for kind in kinds if concerns(form, kind)]
        answers = await asyncio.gather(*(_refuses(plugin, FORMS[form], kind) for form, kind in asked))
    finally:
        await plugin.disconnect()
    found = {form: {kind for kind in kinds if not concerns(form, kind)} for form in FORMS}
    for (form, kind), no in zip(asked, answers, strict=True):
        if no:
            found[form].add(kind)
    return {
        form: frozenset(names) | {kind for kind in kinds if not concerns(form, kind)} for form, names in found.items()
    }


async def _refuses(plugin: ExchangePluginInterface, fields: Mapping[str, Any], kind: MarketKind) -> bool:
    named = getattr(plugin, "names", None) or {}
    of = symbol(kind, named.get(kind, ""))
    request = OrderRequest(symbol=of.name, side=Side.BUY, client_order_id="1234567890", **fields)
    try:
        await plugin.create_order(request, of)
    except NotSupported:
        return True
    except (FraError, KeyError, AttributeError, TypeError, ValueError, OSError):
        return False  # it came as far as asking
    return False
