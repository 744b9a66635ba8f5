"""HTX's sockets: what each path carries, how it acknowledges and refuses, how it pings."""

from collections.abc import Mapping

import attrs
import msgspec

Told = dict[str, object]
INDEXED = ("index.", "mark_price.", "premium_index.")
"""Klines of what is not traded."""


class Request(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """A client's frame on any of the sockets."""

    id: object = None
    sub: str | None = None
    unsub: str | None = None
    req: str | None = None
    data_type: str = ""
    since: int | None = None
    until: int | None = None
    size: int | None = None
    ping: int | None = None
    pong: int | None = None
    op: str = ""
    action: str = ""
    topic: str = ""
    ch: str = ""
    cid: object = None
    contract_code: str = ""
    ts: str | int | None = None
    data: dict[str, object] | None = None


def split(topic: str) -> tuple[str, str] | None:
    """The symbol and the channel of `market.$symbol.$channel`."""
    parts = topic.split(".", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "market" and parts[1] and parts[2] else None


@attrs.frozen
class Room:
    """One path: its market; `market` data, spot's `account` or the contracts' `notification`; whether frames are
    gzipped; seconds between pings; how many may be unanswered."""

    market: str
    kind: str
    packed: bool
    ping_s: float
    patience: int
    no_login: int = 0
    only: tuple[str, ...] = ()
    """Beginnings of the channels to which the path is kept; without any, all that no path is kept for."""

    def carries(self, channel: str) -> bool:
        return channel.startswith(self.only or "") and (bool(self.only) or not channel.startswith(INDEXED))

    def ping(self, now_ms: int) -> Told:
        if self.kind == "market":
            return {"ping": now_ms}
        if self.kind == "account":
            return {"action": "ping", "data": {"ts": now_ms}}
        return {"op": "ping", "ts": str(now_ms)}

    def pong(self, asked: Request) -> int | None:
        """The ping that a frame answers, or None if it is no pong; -1 for one that says nothing."""
        if self.kind == "market":
            return asked.pong
        if self.kind == "account":
            told = (asked.data or {}).get("ts") if asked.action == "pong" else None
            return told if isinstance(told, int) else -1 if asked.action == "pong" else None
        if asked.op != "pong":
            return None
        told = str(asked.ts)
        return int(told) if told.isdigit() else -1

    def ack(self, asked: Request, topic: str, now_ms: int) -> Told:
        if self.kind == "market":
            word = "subbed" if asked.sub is not None else "unsubbed"
            return {"id": asked.id, "status": "ok", word: topic, "ts": now_ms}
        if self.kind == "account":
            return {"action": asked.action, "code": 200, "ch": topic, "data": {}}
        return {"op": asked.op, "cid": asked.cid, "topic": topic, "ts": now_ms, "err-code": 0}

    def refusal(self, asked: Request, word: str, number: int, text: str) -> Told:
        if self.kind == "market":
            return {"status": "error", "id": asked.id, "err-code": word, "err-msg": text}
        if self.kind == "account":
            return {"action": asked.action, "code": number, "ch": asked.ch, "message": text}
        told: Told = {"op": asked.op, "err-code": number, "err-msg": text}
        return told | ({"type": "api"} if asked.op == "auth" else {"cid": asked.cid, "topic": asked.topic})


ROOMS: Mapping[str, Room] = {
    "/ws": Room("spot", "market", packed=True, ping_s=5.0, patience=2),
    "/feed": Room("spot", "market", packed=True, ping_s=5.0, patience=2, only=("mbp.",)),
    "/ws/v2": Room("spot", "account", packed=False, ping_s=20.0, patience=3, no_login=2002),
    "/linear-swap-ws": Room("linear", "market", packed=True, ping_s=5.0, patience=5),
    "/ws_index": Room("linear", "market", packed=True, ping_s=5.0, patience=5, only=INDEXED),
    "/ws/v5/notification": Room("linear", "notification", packed=True, ping_s=5.0, patience=5, no_login=2003),
    "/linear-swap-notification": Room("linear", "notification", packed=True, ping_s=5.0, patience=5, no_login=2003),
}
"""HTX docs: spot, "WebSocket Market Data" and "WebSocket Asset and Order"; USDT-M, "WebSocket Heartbeat"."""
