"""Orders over the socket `/v5/trade` (Bybit docs: "Websocket Trade Guideline"): its login, requests and replies."""

import uuid
from collections.abc import Mapping

import msgspec

from fra.emulator.accounts import Account
from fra.emulator.bybit import auth
from fra.emulator.bybit.private import Private
from fra.emulator.bybit.render import Row
from fra.emulator.bybit.rest import Refusal

_OPS: Mapping[str, str] = {"order.create": "order/create", "order.cancel": "order/cancel"}
_WINDOW_MS, _AHEAD_MS = 5000, 1000


class _Request(msgspec.Struct, rename="camel"):
    op: str
    req_id: str = ""
    header: dict[str, str | int] = {}
    args: list[object] = []


class OrderEntry:
    """One connection; it says `retCode` where the other sockets say `success`."""

    def __init__(self, private: Private, find: auth.Find, connection_id: str, *, enforce_limits: bool) -> None:
        self._private = private
        self._find = find
        self._id = connection_id
        self._enforce_limits = enforce_limits
        self._account: Account | None = None
        self._seen: set[str] = set()

    def answer(self, text: str) -> str:
        """The reply to one frame."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            return self._reply({}, "", 10001, "Request parameter error.")
        if request.op == "ping":
            told = {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self._private.now_ms())]}
            return self._text(told)
        named: Row = {"reqId": request.req_id} if request.req_id else {}
        try:
            if request.op == "auth":
                self._login(request)
                return self._text(named | {"retCode": 0, "retMsg": "OK", "op": "auth"})
            data, header = self._order(request)
        except Refusal as refusal:
            return self._reply(named, request.op, refusal.code, refusal.message)
        return self._reply(named, request.op, 0, "OK", data=data, header=header)

    def _login(self, request: _Request) -> None:
        if self._account is not None:
            raise Refusal(20001, "Repeat auth")
        args = [arg for arg in request.args if isinstance(arg, (str, int))]
        self._account = auth.login(args, self._find, self._private.now_ms())

    def _order(self, request: _Request) -> tuple[object, Row]:
        """What the path of the same name answers, and the headers it would have sent. Raises Refusal."""
        account, endpoint = self._account, _OPS.get(request.op)
        if account is None:
            raise Refusal(10003, "Please login first.")
        if endpoint is None:
            raise Refusal(10404, "op type is not found")
        if request.req_id and request.req_id in self._seen:
            raise Refusal(20006, "Duplicate reqId")
        self._seen.add(request.req_id)
        body = request.args[0] if len(request.args) == 1 else None
        if not isinstance(body, dict):
            raise Refusal(10001, "Request parameter error.")
        at, window = (str(request.header.get(f"X-BAPI-{name}", "")) for name in ("TIMESTAMP", "RECV-WINDOW"))
        now = self._private.now_ms()
        if not at.isdigit() or not now - int(window or _WINDOW_MS) <= int(at) < now + _AHEAD_MS:
            raise Refusal(10002, "invalid request, please check your server timestamp or recv_window param")
        fits, limits = self._private.count(account, endpoint, str(body.get("category", "")))
        if not fits and self._enforce_limits:
            raise Refusal(10006, "Too many visits. Exceeded the API Rate Limit.")
        if not account.may_trade:
            raise Refusal(10005, "Permission denied, please check your API key permissions.")
        return self._private.paths[endpoint].answer(account, body), dict(limits)

    def _reply(
        self, named: Row, op: str, code: int, message: str, *, data: object = None, header: Row | None = None
    ) -> str:
        told: Row = named | {"retCode": code, "retMsg": message, "op": op, "data": {} if data is None else data}
        if op in _OPS:
            told["retExtInfo"] = {}
            now = str(self._private.now_ms())
            told["header"] = {**(header or {}), "Traceid": uuid.uuid4().hex, "Timenow": now}
        return self._text(told)

    def _text(self, told: Row) -> str:
        return msgspec.json.encode(told | {"connId": self._id}).decode()
