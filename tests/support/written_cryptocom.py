"""How Crypto.com speaks: https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html, "Websocket Subscriptions"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from written import COINS, MINUTE, NOW, PRICE, Frame, Frames, Written

from fra.exchanges.cryptocom import CryptoComPlugin

_ID: Final = "LTCUSD-PERP"


def react(frame: Frame) -> Frames:
    match frame["method"]:
        case "public/auth":
            yield {"id": frame["id"], "method": "public/auth", "code": 0}
        case "subscribe":
            for subscription in frame["params"]["channels"]:
                yield {"id": -1, "method": "subscribe", "code": 0, "channel": subscription}
                name = subscription if subscription.startswith("user.") else subscription.partition(".")[0]
                for channel, row in _FRAMES[name]:
                    told = {"subscription": subscription, "channel": channel, "data": [row]}
                    more = {"instrument_name": _ID} if channel not in _OF_ALL else {}
                    yield {"id": -1, "method": "subscribe", "code": 0, "result": told | more | _MORE.get(channel, {})}
            if subscription == "ticker." + _ID:
                yield {"id": NOW, "method": "public/heartbeat", "code": 0}


_OF_ALL: Final = ("user.balance", "user.position_balance")
_MORE: Final[Mapping[str, Any]] = {
    "book": {"depth": 50},
    "book.update": {"depth": 50},
    "candlestick": {"interval": "1m", "depth": 300},
}


def _order(status: str, filled: str, average: str) -> Any:
    return {
        "account_id": "52e7c00f", "order_id": "6142909898247428343", "client_oid": "fra0001", "order_type": "LIMIT",
        "time_in_force": "GOOD_TILL_CANCEL", "side": "BUY", "exec_inst": [], "quantity": COINS, "limit_price": PRICE,
        "order_value": "100.5", "avg_price": average, "ref_price": "0", "cumulative_quantity": filled,
        "cumulative_value": "0", "cumulative_fee": "0", "status": status, "instrument_name": _ID,
        "fee_instrument_name": "USD", "create_time": NOW, "create_time_ns": f"{NOW}000000", "update_time": NOW,
    }  # fmt: skip


_TRADE: Final[Any] = {
    "account_id": "52e7c00f", "event_date": "2026-11-27", "journal_type": "TRADING", "traded_quantity": COINS,
    "traded_price": PRICE, "fees": "-0.05", "order_id": "6142909898247428343", "trade_id": "6142909898247428355",
    "trade_match_id": "4611686018455978480", "client_oid": "fra0001", "taker_side": "TAKER", "side": "BUY",
    "instrument_name": _ID, "fee_instrument_name": "USD", "create_time": NOW, "create_time_ns": f"{NOW}000000",
}  # fmt: skip
_BALANCE: Final[Any] = {
    "total_available_balance": "5000", "total_margin_balance": "5000", "total_cash_balance": "5000",
    "total_borrow": "0", "instrument_name": "USD", "is_liquidating": False,
    "position_balances": [
        {
            "quantity": "5000", "reserved_qty": "100.5", "collateral_weight": "1", "collateral_amount": "5000",
            "market_value": "5000", "max_withdrawal_balance": "4899.5", "instrument_name": "USD",
        }
    ],
}  # fmt: skip
_POSITION: Final[Any] = {
    "account_id": "52e7c00f", "instrument_name": _ID, "type": "PERPETUAL_SWAP", "quantity": COINS, "cost": "100.5",
    "open_pos_cost": "100.5", "open_position_pnl": "-0.02", "session_pnl": "0.01", "update_timestamp_ms": NOW,
}  # fmt: skip
_FRAMES: Final[Mapping[str, Any]] = {
    "book": [
        ("book", {"bids": [["50.24", "1", "1"]], "asks": [["50.3", "9", "1"], ["50.31", "7", "2"]], "t": NOW, "u": 5}),
        ("book.update", {"update": {"bids": [[PRICE, COINS, "1"]], "asks": []}, "t": NOW + 1, "u": 6, "pu": 5}),
        ("book.update", {"update": {"bids": [], "asks": [["50.31", "0", "0"]]}, "t": NOW + 2, "u": 7, "pu": 6}),
    ],
    "trade": [
        ("trade", {"d": "1116", "t": NOW, "p": PRICE, "q": COINS, "s": "BUY", "i": _ID, "m": "1"}),
        ("trade", {"d": "1117", "t": NOW + 1, "p": PRICE, "q": COINS, "s": "SELL", "i": _ID, "m": "2"}),
    ],
    "ticker": [
        (
            "ticker",
            {
                "h": "51", "l": "48", "a": PRICE, "i": _ID, "v": "700", "vv": "35000", "oi": "100", "c": "0.0123",
                "b": "50.24", "bs": "1", "k": "50.26", "ks": "3", "t": NOW,
            },
        )
    ],
    "candlestick": [
        ("candlestick", {"o": "50", "h": "51", "l": "49", "c": "50.1", "v": "9", "t": MINUTE - 60_000}),
        ("candlestick", {"o": "50.1", "h": "50.5", "l": "50", "c": PRICE, "v": COINS, "t": MINUTE}),
    ],
    "user.order": [("user.order", _order("ACTIVE", "0", "0"))],
    "user.trade": [],
    "user.balance": [("user.balance", _BALANCE)],
    "user.position_balance": [
        (
            "user.position_balance",
            {
                "balances": [{"instrument_name": "USD", "quantity": "5000", "update_timestamp_ms": NOW}],
                "positions": [_POSITION],
            },
        ),
        ("user.order", _order("FILLED", COINS, PRICE)),
        ("user.trade", _TRADE),
    ],
}  # fmt: skip
"""By what is subscribed to. What happens to the account comes when all of it is: ccxt asks for positions last."""


def answer(request: web.Request) -> Any:
    rows = {"user-balance": [_BALANCE], "get-positions": [_POSITION]}.get(request.path.rpartition("/")[2], [])
    return {"id": -1, "code": 0, "result": {"data": rows}}


CRYPTOCOM: Final = Written(
    CryptoComPlugin, "LTC/USD:USD", react, answer, nothing=b'{"id": -1, "code": 0, "result": {"data": []}}'
)
