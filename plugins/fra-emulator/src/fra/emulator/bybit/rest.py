"""Bybit's REST rules: which parameters a path needs, and how the venue refuses."""

from collections.abc import Callable, Mapping

import attrs
import msgspec

from fra.emulator.candles import BYBIT

Params = Mapping[str, str]
CATEGORIES = ("spot", "linear", "inverse", "option")
INTEREST_TIMES = ("5min", "15min", "30min", "1h", "4h", "1d")


def envelope(result: object, now_ms: int, *, code: int = 0, message: str = "OK") -> bytes:
    """The frame of every JSON answer; business errors come with HTTP 200 in it too."""
    told = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms}
    return msgspec.json.encode(told)


class Refusal(Exception):
    """An error answer: Bybit's code and text (Bybit docs: "Error Codes"), with HTTP 200 unless the gateway refuses."""

    def __init__(self, code: int, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@attrs.frozen
class Row:
    """One public path: whether it must name a symbol, and in which categories it exists."""

    symbol: bool = False
    categories: tuple[str, ...] = CATEGORIES
    plain: bool = False
    """Takes no category at all."""


_CONTRACTS = ("linear", "inverse")
_TRADED = ("spot", *_CONTRACTS)
ROWS: Mapping[str, Row] = {
    "market/time": Row(plain=True),
    "system/status": Row(plain=True),
    "market/instruments-info": Row(),
    "market/tickers": Row(),
    "market/orderbook": Row(symbol=True, categories=_TRADED),
    "market/recent-trade": Row(symbol=True, categories=_TRADED),
    "market/kline": Row(symbol=True, categories=_TRADED),
    "market/mark-price-kline": Row(symbol=True, categories=_CONTRACTS),
    "market/index-price-kline": Row(symbol=True, categories=_CONTRACTS),
    "market/funding/history": Row(symbol=True, categories=_CONTRACTS),
    "market/open-interest": Row(symbol=True, categories=_CONTRACTS),
    "market/risk-limit": Row(categories=_CONTRACTS),
    "market/price-limit": Row(symbol=True, plain=True),
}
PRIVATE_ROOMS = frozenset(
    {"order", "execution", "position", "account", "asset", "user", "spot-margin-trade", "crypto-loan", "lending"}
)
_NUMBERS = ("limit", "start", "end", "startTime", "endTime")
_OPTIONAL_CATEGORY = "linear"
NOT_SUPPORTED = "Not supported symbols"
SYMBOL_INVALID = "params error: symbol invalid"


def category_of(row: Row, params: Params) -> str:
    """The category of a request. Raises Refusal if it names none or a wrong one."""
    found = params.get("category", "")
    if row.plain:
        return found or _OPTIONAL_CATEGORY
    if found not in row.categories:
        raise Refusal(10001, "Illegal category")
    return found


def check(endpoint: str, row: Row, params: Params, knows: Callable[[str, str], bool]) -> None:
    """Refuse what the venue would refuse. Raises Refusal."""
    category, symbol = category_of(row, params), params.get("symbol", "")
    # a spot instrument that does not exist is an empty list, no error
    lenient = category == "spot" and endpoint == "market/instruments-info"
    if (row.symbol or symbol) and category != "option" and not lenient and not knows(category, symbol):
        raise Refusal(10001, NOT_SUPPORTED if category == "spot" else SYMBOL_INVALID)
    for name in _NUMBERS:
        if params.get(name) and not params[name].isdigit():
            raise Refusal(10001, f"params error: {name} invalid")
    if endpoint.endswith("kline") and params.get("interval") not in BYBIT:
        raise Refusal(10001, "Invalid period!")
    if endpoint == "market/open-interest" and params.get("intervalTime") not in INTEREST_TIMES:
        raise Refusal(10001, "params error: intervalTime invalid")
    if endpoint == "market/funding/history" and params.get("startTime") and not params.get("endTime"):
        # the start alone is refused; the end alone is not (Bybit docs: "Get Funding Rate History")
        raise Refusal(10001, "params error: endTime invalid")
