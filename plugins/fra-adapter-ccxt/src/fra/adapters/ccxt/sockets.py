"""ccxt's sockets, mended: numbers keep their text, no update of a book is missed in silence, and what cannot be read
ends the socket instead of leaving it deaf.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from importlib import import_module
from time import time_ns
from typing import Any, Final, Protocol

from fra.adapters.ccxt.sequences import Numbers, Sequences

_MISSED: Final = 200
_SHOWN: Final = 200


class Owner(Protocol):
    """ccxt's client of an exchange, as its sockets need it."""

    id: str
    clients: dict[str, Any]
    fra_numbers: Numbers | None
    fra_news: Callable[[], None]
    fra_broken: Callable[[Any, Exception], None]


class UnreadableFrame(ValueError):
    """A frame is nothing that a venue documents."""


def mend(socket: Any, owner: Owner) -> None:
    """Floats in JSON stay the text they are; books count their updates; whoever waits for an answer is told.

    A frame that is no JSON, one over which ccxt fails, and an update of a book that does not follow the one before it
    are told to ``owner.fra_broken``: of the first two ccxt would die without a word, and read on over the third.
    A future that ends in an error while nobody waits on it is no accident: who watches next is told.
    """
    socket.fra_due = socket.fra_sent = socket.fra_heard = 0
    socket.fra_missed = {}
    socket.fra_given_up = False
    sequences = None if owner.fra_numbers is None else Sequences(owner.fra_numbers)
    resolve, send, on_connected, handle, make_future = (
        socket.resolve, socket.send, socket.on_connected_callback, socket.handle_message, socket.future
    )  # fmt: skip

    def future(message_hash: Any) -> Any:
        made = make_future(message_hash)
        made.remove_done_callback(_look)
        made.add_done_callback(_look)
        return made

    def handled(message: Any) -> None:
        if socket.fra_given_up:
            return
        try:
            handle(message)
        except Exception as error:
            owner.fra_broken(socket, error)

    def read(data: Any) -> None:
        frame = _frame(data, text=socket.decompressBinary)
        if sequences is not None:
            sequences.follow(frame)
        socket.fra_heard, pong = socket.fra_sent, socket.lastPong
        socket.on_message_callback(socket, frame)
        if socket.lastPong != pong:
            socket.lastPong = time_ns() // 1_000_000  # by our own clock, with which ccxt compares it
        owner.fra_news()

    def resolved(result: Any, message_hash: Any = None) -> Any:
        if hasattr(result, "limit") and isinstance(result, dict):
            result.__dict__["fra_updates"] = getattr(result, "fra_updates", 0) + 1
        waited_for = message_hash in socket.futures
        if not waited_for and type(result) is list and result and "contracts" in result[0]:
            # orders and trades are in a cache that ccxt reads from; pushed positions are in none
            socket.fra_missed[message_hash] = [*socket.fra_missed.get(message_hash, ()), *result][-_MISSED:]
        return resolve(result, message_hash)

    async def sent(message: Any) -> Any:
        socket.fra_sent += 1
        socket.fra_due = max(0, socket.fra_due - 1)
        try:
            return await send(message)
        finally:
            owner.fra_news()

    def connected(*args: Any) -> Any:
        asyncio.get_running_loop().call_soon(owner.fra_news)
        return on_connected(*args)

    socket.handle_message, socket.handle_text_or_binary_message = handled, read
    socket.resolve, socket.send, socket.on_connected_callback, socket.future = resolved, sent, connected, future


def _look(future: Any) -> None:
    """asyncio complains of an error that nobody looked at."""
    if not future.cancelled():
        future.exception()


def _frame(data: Any, *, text: bool) -> Any:
    """What ccxt is to read. Raises UnreadableFrame for a text that is neither JSON nor a word ("pong") nor numbered."""
    if text and isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError:
            return data  # protobuf
    if not isinstance(data, str):
        return data
    if data[:1] in ("{", "["):
        try:
            return json.loads(data, parse_float=str)
        except ValueError as error:
            raise UnreadableFrame(f"a frame that is no JSON ({error}): {data[:_SHOWN]}") from None
    if data and not data.strip().isalnum() and not data[:1].isdigit():
        raise UnreadableFrame(f"a frame that is no JSON: {data[:_SHOWN]}")
    return data


def give_up(socket: Any, owner: Any, why: str) -> bool:
    """From now on nothing of this socket is read, whoever waits on it hears why, and the next opens another.

    Whether it was in use; the caller closes it then.
    """
    if owner.clients.get(socket.url) is not socket:
        return False
    del owner.clients[socket.url]
    socket.fra_given_up = True
    error = socket.error = import_module("ccxt.base.errors").NetworkError(f"{owner.id} {why}")
    socket.reject(error)
    return True


async def drop(socket: Any, owner: Any, why: str = "the socket was given up") -> None:
    """Close one of ccxt's sockets as if the venue had."""
    if give_up(socket, owner, why):
        await socket.aiohttp_close()


def catch_up(socket: Any, message_hashes: Iterable[str]) -> None:
    """Whoever waits anew is told first what came while nobody waited."""
    for name in message_hashes:
        if name in socket.fra_missed and name in socket.futures:
            socket.resolve(socket.fra_missed.pop(name), name)
