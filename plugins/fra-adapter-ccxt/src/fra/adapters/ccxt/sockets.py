"""ccxt's sockets, mended: numbers keep their text, no update of a book is missed in silence, and what cannot be read
ends the socket instead of leaving it deaf.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from time import time_ns
from typing import Any, Final, Protocol

from fra.adapters.ccxt.answers import NAMES, Questions, is_beat
from fra.adapters.ccxt.sequences import Numbers, Sequences

_MISSED: Final = 200
_SHOWN: Final = 200
_PINGS: Final = 3
"""The third is not sent when two were not answered."""


class Owner(Protocol):
    """ccxt's client of an exchange, as its sockets need it."""

    id: str
    clients: dict[str, Any]
    fra_numbers: Numbers | None
    fra_silence: float
    fra_news: Callable[[], None]
    fra_broken: Callable[[Any, Exception], None]


def watchful(owner: Any, *, silence: float, timeout: float) -> None:
    """A socket that is dead or does not answer is found out within ``silence`` seconds, one that does not open within
    ``timeout``.

    ccxt pings each ``keepAlive``, some venues each three minutes only, and waits for two answers in vain. Where it is
    not known what answers a ping (at some venues only their own heartbeat does) its pace stays.
    """
    own, often = owner.streaming.get("keepAlive"), silence * 1000 / _PINGS
    owner.fra_silence = silence
    owner.streaming = {
        **owner.streaming,
        "keepAlive": min(own, often) if own and owner.id in NAMES else own,
        "connectionTimeout": max(1.0, timeout) * 1000,  # ccxt cuts it to whole seconds
    }


def listen(owner: Any, told: Callable[[BaseException], object]) -> None:
    """Be told of what fails that ccxt does by itself, and that nobody awaits."""
    spawn = owner.spawn

    def ended(future: Any) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            told(error)

    def spawned(method: Any, *args: Any) -> Any:
        future = spawn(method, *args)
        future.add_done_callback(ended)
        return future

    owner.spawn = spawned


class UnreadableFrame(ValueError):
    """A frame is nothing that a venue documents."""


def mend(socket: Any, owner: Owner) -> None:
    """Floats in JSON stay the text they are; books count their updates; whoever waits for an answer is told.

    A frame that is no JSON, one over which ccxt fails, an update of a book that does not follow the one before it, and
    a message without an answer are told to ``owner.fra_broken``: of the first two ccxt would die without a word, over
    the third it would read on, and for what the last asked it would wait for good.
    A future that ends in an error while nobody waits on it is no accident: who watches next is told.
    """
    socket.fra_due = socket.fra_sent = socket.fra_heard = 0
    socket.fra_missed = {}
    socket.fra_given_up = False
    sequences = None if owner.fra_numbers is None else Sequences(owner.fra_numbers)
    names, questions = NAMES.get(owner.id), None
    if names is not None:
        wait = asyncio.get_running_loop().call_later
        questions = Questions(
            names, lambda over: wait(owner.fra_silence, over), lambda error: owner.fra_broken(socket, error)
        )
    resolve, send, on_connected, handle = (
        socket.resolve, socket.send, socket.on_connected_callback, socket.handle_message
    )  # fmt: skip
    make_future, on_error, close = socket.future, socket.on_error, socket.aiohttp_close

    def future(message_hash: Any) -> Any:
        made = make_future(message_hash)
        made.remove_done_callback(_look)
        made.add_done_callback(_look)
        return made

    def handled(message: Any) -> None:
        if socket.fra_given_up:
            return
        if message.type.name == "PING":
            asyncio.ensure_future(_pong(socket, message.data))  # noqa: RUF006 (it is over at once)
            return
        try:
            handle(message)
        except Exception as error:
            owner.fra_broken(socket, error)

    def read(data: Any) -> None:
        frame = _frame(data, text=socket.decompressBinary)
        if sequences is not None:
            sequences.follow(frame)
        if questions is not None:
            questions.hear(frame)
        if not questions:
            socket.fra_heard = socket.fra_sent
        pong = socket.lastPong
        socket.on_message_callback(socket, frame)
        if sequences is not None:
            sequences.now = None
        if socket.lastPong != pong:
            socket.lastPong = time_ns() // 1_000_000  # by our own clock, with which ccxt compares it
        owner.fra_news()

    def resolved(result: Any, message_hash: Any = None) -> Any:
        if hasattr(result, "limit") and isinstance(result, dict):
            result.__dict__["fra_updates"] = getattr(result, "fra_updates", 0) + 1
            if sequences is not None and sequences.now is not None:
                result["nonce"] = sequences.now  # of Bybit ccxt keeps none
        waited_for = message_hash in socket.futures
        if not waited_for and type(result) is list and result and "contracts" in result[0]:
            # orders and trades are in a cache that ccxt reads from; pushed positions are in none
            socket.fra_missed[message_hash] = [*socket.fra_missed.get(message_hash, ()), *result][-_MISSED:]
        return resolve(result, message_hash)

    async def sent(message: Any) -> Any:
        if not is_beat(message):
            socket.fra_sent += 1
            socket.fra_due = max(0, socket.fra_due - 1)
            if questions is not None:
                questions.ask(message)
        try:
            return await send(message)
        finally:
            owner.fra_news()

    def connected(*args: Any) -> Any:
        asyncio.get_running_loop().call_soon(owner.fra_news)
        return on_connected(*args)

    def failed(error: Any) -> None:
        socket.fra_given_up = True  # what comes before it is closed would be taken for news of the next
        on_error(error)

    async def closed() -> None:
        if questions is not None:
            questions.close()
        await close()

    socket.aiohttp_close = closed
    socket.handle_message, socket.handle_text_or_binary_message, socket.on_error = handled, read, failed
    socket.resolve, socket.send, socket.on_connected_callback, socket.future = resolved, sent, connected, future


async def _pong(socket: Any, data: bytes) -> None:
    """ccxt's own task would complain, unheard, of a connection that ends meanwhile: who reads it is told of that."""
    with suppress(ConnectionError):
        await socket.connection.pong(data)


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
