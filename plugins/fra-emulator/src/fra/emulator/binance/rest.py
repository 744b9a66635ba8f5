"""Binance's REST rules: which parameters a path needs, what it weighs, how it refuses."""

import re
from collections.abc import Callable, Mapping

import attrs
import msgspec

from fra.emulator.candles import BINANCE

Params = Mapping[str, str]
_SYMBOL = re.compile(r"[A-Z0-9-_.]{1,20}")
_USDM_DEPTHS = frozenset({5, 10, 20, 50, 100, 500, 1000})


class Refusal(Exception):
    """An error answer: HTTP status, Binance's code and text (Binance docs: "Error Codes")."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> bytes:
        return msgspec.json.encode({"code": self.code, "msg": self.message})


@attrs.frozen
class Row:
    """One path: its endpoint name for the source, its weight, what it requires, and whether it is free of the
    shared budget."""

    market: str
    endpoint: str
    weight: Callable[[Params], int]
    required: tuple[str, ...] = ()
    optional_symbol: bool = False


def _flat(weight: int) -> Callable[[Params], int]:
    return lambda params: weight


def _one_or_all(one: int, every: int) -> Callable[[Params], int]:
    return lambda params: one if params.get("symbol") else every


def _limit(params: Params, default: int) -> int:
    text = params.get("limit", "")
    return int(text) if text.isdigit() else default


def _stairs(default: int, *steps: tuple[int, int]) -> Callable[[Params], int]:
    """Weight by `limit`: the first step whose bound is not exceeded."""

    def weight(params: Params) -> int:
        limit = _limit(params, default)
        return next((w for bound, w in steps if limit <= bound), steps[-1][1])

    return weight


def _spot_24h(params: Params) -> int:
    if params.get("symbol"):
        return 2
    named = params.get("symbols", "").count('"') // 2
    return 2 if 0 < named <= 20 else 40 if 0 < named <= 100 else 80


_S, _SI = ("symbol",), ("symbol", "interval")
ROWS: Mapping[str, Row] = {
    "/api/v3/ping": Row("spot", "ping", _flat(1)),
    "/api/v3/time": Row("spot", "time", _flat(1)),
    "/api/v3/exchangeInfo": Row("spot", "exchangeInfo", _flat(20), optional_symbol=True),
    "/api/v3/depth": Row("spot", "depth", _stairs(100, (100, 5), (500, 25), (1000, 50), (5000, 250)), _S),
    "/api/v3/trades": Row("spot", "trades", _flat(25), _S),
    "/api/v3/historicalTrades": Row("spot", "historicalTrades", _flat(25), _S),
    "/api/v3/aggTrades": Row("spot", "aggTrades", _flat(4), _S),
    "/api/v3/klines": Row("spot", "klines", _flat(2), _SI),
    "/api/v3/uiKlines": Row("spot", "klines", _flat(2), _SI),
    "/api/v3/avgPrice": Row("spot", "avgPrice", _flat(2), _S),
    "/api/v3/ticker/24hr": Row("spot", "ticker/24hr", _spot_24h, optional_symbol=True),
    "/api/v3/ticker/price": Row("spot", "ticker/price", _one_or_all(2, 4), optional_symbol=True),
    "/api/v3/ticker/bookTicker": Row("spot", "ticker/bookTicker", _one_or_all(2, 4), optional_symbol=True),
    "/fapi/v1/ping": Row("usdm", "ping", _flat(1)),
    "/fapi/v1/time": Row("usdm", "time", _flat(1)),
    "/fapi/v1/exchangeInfo": Row("usdm", "exchangeInfo", _flat(1)),
    "/fapi/v1/depth": Row("usdm", "depth", _stairs(500, (50, 2), (100, 5), (500, 10), (1000, 20)), _S),
    "/fapi/v1/trades": Row("usdm", "trades", _flat(5), _S),
    "/fapi/v1/historicalTrades": Row("usdm", "historicalTrades", _flat(20), _S),
    "/fapi/v1/aggTrades": Row("usdm", "aggTrades", _flat(20), _S),
    "/fapi/v1/klines": Row("usdm", "klines", _stairs(500, (99, 1), (499, 2), (1000, 5), (1500, 10)), _SI),
    "/fapi/v1/premiumIndex": Row("usdm", "premiumIndex", _one_or_all(1, 10), optional_symbol=True),
    "/fapi/v1/fundingRate": Row("usdm", "fundingRate", _flat(0), optional_symbol=True),
    "/fapi/v1/fundingInfo": Row("usdm", "fundingInfo", _flat(0)),
    "/fapi/v1/ticker/24hr": Row("usdm", "ticker/24hr", _one_or_all(1, 40), optional_symbol=True),
    "/fapi/v1/ticker/price": Row("usdm", "ticker/price", _one_or_all(1, 2), optional_symbol=True),
    "/fapi/v2/ticker/price": Row("usdm", "ticker/price", _one_or_all(1, 2), optional_symbol=True),
    "/fapi/v1/ticker/bookTicker": Row("usdm", "ticker/bookTicker", _one_or_all(2, 5), optional_symbol=True),
    "/fapi/v1/openInterest": Row("usdm", "openInterest", _flat(1), _S),
}

EMPTY_LISTINGS: Mapping[str, str] = {"/dapi/v1/exchangeInfo": "dapi", "/eapi/v1/exchangeInfo": "eapi"}
"""Markets that are not traded here."""
EMPTY_LISTS = (
    "/sapi/v1/margin/allPairs",
    "/sapi/v1/margin/isolated/allPairs",
    "/sapi/v1/margin/allAssets",
    "/dapi/v1/premiumIndex",
    "/dapi/v1/fundingInfo",
    "/dapi/v1/fundingRate",
    "/dapi/v1/ticker/",
    "/eapi/v1/ticker",
    "/eapi/v1/mark",
)


def check(row: Row, params: Params, knows: Callable[[str], bool]) -> None:
    """Refuse what the venue would refuse. Raises Refusal."""
    for name in row.required:
        if not params.get(name):
            raise Refusal(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    symbol = params.get("symbol")
    if symbol is not None and (row.required or row.optional_symbol):
        if row.market == "spot" and not _SYMBOL.fullmatch(symbol):
            raise Refusal(
                400, -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."
            )
        if not knows(symbol):
            raise Refusal(400, -1121, "Invalid symbol.")
    _check_symbols(params.get("symbols"), row, knows)
    for name in ("limit", "startTime", "endTime", "fromId"):
        text = params.get(name)
        if text is not None and not text.lstrip("-").isdigit():
            raise Refusal(
                400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            )
    limit = params.get("limit")
    if limit is not None and int(limit) <= 0:
        raise Refusal(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if row.market == "usdm" and row.endpoint == "depth" and limit is not None and int(limit) not in _USDM_DEPTHS:
        raise Refusal(400, -4021, f"{limit} is not valid depth limit.")
    if row.endpoint == "klines" and (
        params["interval"] not in BINANCE or (row.market == "usdm" and params["interval"] == "1s")
    ):
        raise Refusal(400, -1120, "Invalid interval.")


def _check_symbols(text: str | None, row: Row, knows: Callable[[str], bool]) -> None:
    if text is None or row.market != "spot":
        return
    try:
        names = msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        raise Refusal(400, -1100, "Illegal characters found in parameter 'symbols'.") from None
    if not names or not all(knows(n) for n in names):
        raise Refusal(400, -1121, "Invalid symbol.")
