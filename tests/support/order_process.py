"""A process that places one order and is killed at a point of it: forked from one that has imported everything.

Read from stdin, a line of JSON for each: ``configuration``, ``request``, and ``point``: at which suspension of
``create_order`` to die, and whether ``before`` it (as the coroutine hands over to the loop) or ``after`` it (as the
loop hands back). Written to stdout: a line for each suspension with the place in fra's code, and one when it is over.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Coroutine, Generator
from decimal import Decimal
from typing import Any

from fra.core import OrderRequest, OrderType, PluginManager, PluginRegistry, Side, TimeInForce


class Stepped:
    """Awaits a coroutine step by step, tells each suspension, and may die there."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], point: tuple[int, str] | None) -> None:
        self._coroutine = coroutine
        self._point = point
        self._count = 0

    def __await__(self) -> Generator[Any, Any, object]:
        step, given = self._coroutine.send, None
        while True:
            try:
                waited_for = step(given)
            except StopIteration as end:
                return end.value
            self._count += 1
            tell({"suspended": self._count, "at": place(self._coroutine)})
            self._die("before")
            try:
                step, given = self._coroutine.send, (yield waited_for)
            except BaseException as error:
                step, given = self._coroutine.throw, error
            self._die("after")

    def _die(self, side: str) -> None:
        if self._point == (self._count, side):
            os.kill(os.getpid(), signal.SIGKILL)


def place(coroutine: object) -> str:
    """The innermost line of fra's own that waits: of the desk, the journal or the adapter."""
    found = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        module = frame.f_globals.get("__name__", "") if frame is not None else ""
        if module.startswith("fra."):
            found = f"{module}.{frame.f_code.co_qualname}:{frame.f_lineno}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
        if not (inspect.iscoroutine(coroutine) or inspect.isgenerator(coroutine)):
            coroutine = None
    return found


def tell(said: dict[str, object]) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(said)}\n".encode())


def request_of(fields: dict[str, str]) -> OrderRequest:
    return OrderRequest(
        symbol=fields["symbol"],
        side=Side(fields["side"]),
        type=OrderType.LIMIT,
        amount=Decimal(fields["amount"]),
        price=Decimal(fields["price"]),
        time_in_force=TimeInForce(fields["time_in_force"]),
        client_order_id=fields["client_order_id"],
    )


async def trade(job: dict[str, Any], registry: PluginRegistry) -> None:
    point = tuple(job["point"]) if job["point"] else None
    async with PluginManager.from_config(job["configuration"], registry=registry) as manager:
        handle = manager.get_plugin("main")
        await handle.get_symbols()
        await handle.subscribe_user_data().ready()
        await Stepped(handle.create_order(request_of(job["request"])), point)
    tell({"placed": True})


def main() -> None:
    registry = PluginRegistry()
    for venue in sys.argv[1:]:
        registry.get_plugin_class(venue)
    tell({"warm": True})
    for line in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(trade(json.loads(line), registry))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        tell({"ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
