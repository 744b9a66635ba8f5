"""ccxt's clients of the emulated venues, pointed there by URLs and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import ccxt.async_support as ccxt

from fra.emulator import Account, Venue

_OPTIONS: Mapping[str, Mapping[str, Any]] = {"bybit": {"fetchOrder": {"acknowledged": True}}}


def _binance(markets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    spot, usdm = markets["spot"]["rest"], markets["usdm"]["rest"]
    paths = {"fapiPublic": "/fapi/v1", "fapiPublicV2": "/fapi/v2", "fapiPublicV3": "/fapi/v3", "dapiPublic": "/dapi/v1"}
    paths |= {"fapiPrivate": "/fapi/v1", "fapiPrivateV2": "/fapi/v2", "fapiPrivateV3": "/fapi/v3"}
    paths |= {"eapiPublic": "/eapi/v1"}
    urls = {kind: usdm + path for kind, path in paths.items()}
    return urls | {"public": f"{spot}/api/v3", "private": f"{spot}/api/v3", "sapi": f"{spot}/sapi/v1"}


def _okx(markets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {"rest": markets["swap"]["rest"]}


def _bybit(markets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return dict.fromkeys(("spot", "futures", "v2", "public", "private"), markets["linear"]["rest"])


def _htx(markets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    kinds = ("spot", "public", "private", "v2Public", "v2Private", "status")
    return dict.fromkeys(kinds, markets["spot"]["rest"]) | {"contract": markets["linear"]["rest"]}


_URLS = {"binance": _binance, "okx": _okx, "bybit": _bybit, "htx": _htx}


@asynccontextmanager
async def outside(venue: Venue, account: Account) -> AsyncIterator[Any]:
    """A client whose markets are loaded, whose numbers are texts, and that waits for no budget."""
    client = getattr(ccxt, venue.name)(
        {
            "apiKey": account.key,
            "secret": account.secret,
            "password": account.passphrase,
            "options": dict(_OPTIONS.get(venue.name, {})),
            "enableRateLimit": False,
        }
    )
    client.number = str
    client.urls["api"] |= _URLS[venue.name](venue.markets)
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()
