"""What Crypto.com pushes of an account, read once and apart from the market's trades.

ccxt reads each message of ``user.trade`` and ``user.order`` twice, and keeps own trades in the cache of public ones:
who watches both would be told strangers' trades as fills, and own ones as the market's.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

_LIMIT: Final = 1_000


def mend(client: Any) -> None:
    """The client reads pushes of orders and own trades by this from now on, and all others by itself."""
    usual = client.handle_subscribe

    def handle_subscribe(socket: Any, message: Any) -> None:
        told = message.get("result")
        channel = str(told.get("channel")) if isinstance(told, Mapping) else ""
        if channel.startswith("user.trade"):
            _keep(client, socket, told)
        elif channel.startswith("user.order"):
            client.handle_orders(socket, told)
        else:
            usual(socket, message)

    client.handle_subscribe = handle_subscribe


def _keep(client: Any, socket: Any, told: Any) -> None:
    rows = client.safe_list(told, "data", [])
    if not rows:
        return
    if client.myTrades is None:
        cache = import_module("ccxt.async_support.base.ws.cache")
        client.myTrades = cache.ArrayCacheBySymbolById(client.safe_integer(client.options, "tradesLimit", _LIMIT))
    for trade in client.parse_trades(rows):
        client.myTrades.append(trade)
    socket.resolve(client.myTrades, client.safe_string(told, "subscription"))
