"""OKX's REST rules: which parameters a path needs, how often it may be asked, how it refuses."""

from collections.abc import Callable, Mapping

import attrs
import msgspec

from fra.emulator.candles import OKX
from fra.emulator.okx.feed import market_of

Params = Mapping[str, str]
INST_TYPES = frozenset({"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"})
WINDOW_MS = 2000


class Refusal(Exception):
    """An error answer: HTTP status, OKX's code (a string) and text (OKX docs: "Error Code")."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> bytes:
        return msgspec.json.encode({"code": self.code, "msg": self.message, "data": []})


@attrs.frozen
class Row:
    """One path: requests per rolling two seconds, what it requires, and which parameter the limit is counted by
    beside the address."""

    limit: int
    required: tuple[str, ...] = ()
    counted_by: str = ""


_I = ("instId",)
ROWS: Mapping[str, Row] = {
    "public/time": Row(10),
    "public/instruments": Row(20, ("instType",), "instType"),
    "public/funding-rate": Row(20, _I, "instId"),
    "public/funding-rate-history": Row(10, _I, "instId"),
    "public/mark-price": Row(10, (), "instId"),
    "public/price-limit": Row(20, _I),
    "public/open-interest": Row(20, (), "instId"),
    "public/underlying": Row(20, ("instType",)),
    "market/books": Row(40, _I),
    "market/books-full": Row(10, _I),
    "market/trades": Row(100, _I),
    "market/history-trades": Row(20, _I),
    "market/candles": Row(40, _I),
    "market/history-candles": Row(20, _I),
    "market/ticker": Row(20, _I),
    "market/tickers": Row(20, ("instType",)),
    "market/index-tickers": Row(20),
}
PRIVATE_ROOMS = frozenset(
    {"account", "trade", "asset", "users", "finance", "fiat", "sprd", "rfq", "tradingBot", "copytrading", "affiliate"}
)
_UNKNOWN = Refusal(200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def check(endpoint: str, row: Row, params: Params, knows: Callable[[str, str], bool]) -> None:
    """Refuse what the venue would refuse. Raises Refusal."""
    for name in row.required:
        if not params.get(name):
            code = "51000" if name == "instType" else "50014"
            raise Refusal(
                400, code, f"Parameter {name} can not be empty." if code == "50014" else f"Parameter {name} error"
            )
    kind = params.get("instType")
    if kind and kind not in INST_TYPES:
        raise Refusal(400, "51000", "Parameter instType error")
    if endpoint in ("public/mark-price", "public/open-interest") and not (kind or params.get("instId")):
        raise Refusal(400, "51000", "Parameter instType error")
    if endpoint == "public/instruments" and kind == "OPTION" and not (params.get("uly") or params.get("instFamily")):
        raise Refusal(400, "50015", "Either parameter uly or instFamily is required.")
    if endpoint == "market/index-tickers" and not (params.get("instId") or params.get("quoteCcy")):
        raise Refusal(400, "50015", "Either parameter quoteCcy or instId is required.")
    symbol = params.get("instId")
    if symbol:
        every = endpoint == "public/funding-rate" and symbol == "ANY"
        market = "index" if endpoint == "market/index-tickers" else market_of(symbol)
        if not every and not knows(market, symbol):
            raise _UNKNOWN
        if endpoint.startswith("public/funding") and not every and market != "swap":
            raise _UNKNOWN
    for name in ("limit", "sz", "after", "before"):
        text = params.get(name)
        if text and not text.isdigit():
            raise Refusal(400, "51000", f"Parameter {name} error")
    if endpoint.endswith("candles") and (params.get("bar") or "1m") not in OKX:
        raise Refusal(400, "51000", "Parameter bar error")
