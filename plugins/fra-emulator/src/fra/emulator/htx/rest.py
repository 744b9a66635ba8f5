"""HTX's REST rules: which parameters a path needs, how often it may be asked, how each family of paths refuses."""

from collections.abc import Callable, Mapping

import attrs
import msgspec

from fra.emulator.candles import HTX
from fra.emulator.htx import linear, spot

Params = Mapping[str, str]


@attrs.frozen
class Budget:
    """How often an address may ask within a rolling window: each path by itself, or all of them together."""

    name: str
    limit: int
    window_ms: int
    shared: bool


SPOT = Budget("spot", 10, 1000, shared=False)
"""Spot counts each endpoint by itself (HTX docs: spot, "API Access", "Rate Limiting Rule")."""
REFERENCE = Budget("reference", 240, 3000, shared=True)
MARKET = Budget("market", 800, 1000, shared=True)
"""Linear counts all public paths together (HTX docs: USDT-M, "API Rate Limit Illustration")."""


@attrs.frozen
class Row:
    """One public path: its market, its budget and the parameters that it requires."""

    market: str
    budget: Budget
    required: tuple[str, ...] = ()


_S, _C = ("symbol",), ("contract_code",)
_API, _EX = "linear-swap-api/v1/", "linear-swap-ex/market/"
ROWS: Mapping[str, Row] = {
    **{
        path: Row("spot", SPOT)
        for path in (
            "v1/common/timestamp",
            "v1/common/symbols",
            "v1/common/currencys",
            "v2/settings/common/symbols",
            "v1/settings/common/market-symbols",
            "v2/reference/currencies",
            "v2/market-status",
            "market/tickers",
        )
    },
    **{f"market/{tail}": Row("spot", SPOT, _S) for tail in ("detail/merged", "detail", "history/trade", "trade")},
    "market/depth": Row("spot", SPOT, ("symbol", "type")),
    "market/history/kline": Row("spot", SPOT, ("symbol", "period")),
    "market/history/candles": Row("spot", SPOT, ("symbol", "period")),
    **{path: Row("linear", REFERENCE) for path in ("api/v1/timestamp", "heartbeat")},
    **{
        _API + tail: Row("linear", REFERENCE)
        for tail in (
            "swap_contract_info",
            "swap_query_elements",
            "swap_index",
            "swap_open_interest",
            "swap_price_limit",
            "swap_batch_funding_rate",
        )
    },
    _API + "swap_funding_rate": Row("linear", REFERENCE, _C),
    _API + "swap_historical_funding_rate": Row("linear", REFERENCE, _C),
    **{path: Row("linear", REFERENCE) for path in ("swap-api/v1/swap_contract_info", "api/v1/contract_contract_info")},
    **{f"v5/market/{tail}": Row("linear", REFERENCE, _C) for tail in ("funding_rate", "open_interest")},
    "v5/market/funding_rate_history": Row("linear", REFERENCE, _C),
    _EX + "depth": Row("linear", MARKET, ("contract_code", "type")),
    _EX + "detail/merged": Row("linear", MARKET, _C),
    _EX + "detail/batch_merged": Row("linear", MARKET),
    f"v2/{_EX}detail/batch_merged": Row("linear", MARKET),
    _EX + "history/trade": Row("linear", MARKET, ("contract_code", "size")),
    _EX + "trade": Row("linear", MARKET),
    _EX + "history/kline": Row("linear", MARKET, ("contract_code", "period")),
    **{
        f"index/market/history/linear_swap_{name}_kline": Row("linear", MARKET, ("contract_code", "period", "size"))
        for name in ("mark_price", "premium_index")
    },
}
PRIVATE = (
    "v1/account/",
    "v2/user/",
    "v1/order/",
    "v1/margin/",
    "v2/account/",
    "v2/algo-orders",
    "v2/reference/transact-fee-rate",
    "linear-swap-api/",
    "v5/",
)
"""Where paths that are not in the table above need a signature."""


class Refusal(Exception):
    """An error answer: HTTP status, the code as spot writes it (a word) and as contracts do (a number), the texts."""

    def __init__(self, status: int, word: str, text: str, number: int, contract_text: str = "") -> None:
        super().__init__(word)
        self.status = status
        self.word = word
        self.text = text
        self.number = number
        self.contract_text = contract_text or text
        self.extra: dict[str, object] = {}

    def body(self, path: str, now_ms: int) -> bytes:
        """The answer in the envelope of the path's family."""
        told: dict[str, object]
        if path.startswith("v5/") or (path.startswith("v2/") and not path.startswith("v2/linear")):
            told = {"code": self.number, "message": self.contract_text, "data": None, "ts": now_ms}
        elif path.startswith(("linear-swap-api/", "swap-api/", "api/")):
            told = {"status": "error", "err_code": self.number, "err_msg": self.contract_text, "ts": now_ms}
        else:
            told = {"status": "error", "err-code": self.word, "err-msg": self.text, "data": None, "ts": now_ms}
        return msgspec.json.encode(told | self.extra)


def too_many() -> Refusal:
    return Refusal(
        429, "rate-too-many-requests", "exceeded rate limit", 1032, "The number of access exceeded the limit."
    )


def disabled() -> Refusal:
    """After repeated refusals (HTX docs: USDT-M, "Error Code", 1084)."""
    text = "Your contract API is disabled, please try again later."
    return Refusal(429, "rate-too-many-requests", "exceeded rate limit", 1084, text)


def not_found() -> Refusal:
    return Refusal(404, "not-found", "Not Found", 404)


def not_allowed() -> Refusal:
    return Refusal(405, "method-not-allowed", "Request method not supported", 1067)


def _invalid(name: str, *, missing: bool = False) -> Refusal:
    if missing:
        text = f"The {name} field cannot be empty. Please re-enter."
        return Refusal(200, "invalid-parameter", f"invalid {name}", 1066, text)
    return Refusal(200, "invalid-parameter", f"invalid {name}", 1067, f"The {name} field is invalid. Please re-enter.")


def unknown(row: Row) -> Refusal:
    if row.market == "spot":
        return Refusal(200, "invalid-parameter", "invalid symbol", 2002)
    return Refusal(200, "invalid-parameter", "invalid contract code", 1332, "The contract doesn't exist.")


def check(path: str, row: Row, params: Params, knows: Callable[[str, str], bool]) -> None:
    """Refuse what the venue would refuse. Raises Refusal."""
    for name in row.required:
        if not params.get(name):
            raise _invalid(name, missing=True)
    symbol = params.get("symbol") if row.market == "spot" else params.get("contract_code", "").upper()
    if symbol and row.market == "linear" and path.startswith(("swap-api", "api")):
        return
    if symbol and not knows(row.market, symbol):
        raise unknown(row)
    steps: Mapping[str, object] = spot.STEPS if row.market == "spot" else linear.STEPS
    if path.endswith("/depth") and params["type"] not in steps:
        raise _invalid("type")
    if params.get("depth", "20") not in ("5", "10", "20"):
        raise _invalid("depth")
    if "period" in row.required:
        if params["period"] not in HTX:
            raise _invalid("period")
        if row.market == "linear" and not params.get("size") and not (params.get("from") and params.get("to")):
            raise _invalid("size", missing=True)
    for name in ("size", "from", "to", "page_index", "page_size", "limit", "start_time", "end_time"):
        if params.get(name) and not params[name].isdigit():
            raise _invalid(name)
    if params.get("size") and not 1 <= int(params["size"]) <= 2000:
        raise Refusal(200, "invalid-parameter", "invalid size, valid range: [1,2000]", 1067)
