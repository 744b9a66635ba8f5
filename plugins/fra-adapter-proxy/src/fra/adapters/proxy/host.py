"""ExchangeHost: one exchange of this process for whoever may ask over the broker, as long as the lease is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, final
from uuid import uuid4

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from fra.adapters.proxy import wire
from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.description import describe
from fra.adapters.proxy.events import EventLog
from fra.adapters.proxy.lease import Lease, LeaseLost
from fra.adapters.proxy.operations import HEALTH, REMOTE, Open, Remote
from fra.adapters.proxy.publication import UNUSED, Publication
from fra.adapters.proxy.reduced import Reduced
from fra.adapters.proxy.subjects import VERSION, Subjects, area
from fra.adapters.proxy.tasks import end
from fra.core import (
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    FraError,
    NotSupported,
    Operation,
    OrderBook,
    PermissionDenied,
    Recent,
    SymbolList,
)

_BEAT: Final = 1.0
_AGAIN: Final = 1.0
"""Seconds until a host that could not serve tries again."""
_REMEMBERED: Final = 10_000
_DESCRIBE, _HEALTH, _OPEN = "describe", "health_check", "open"


@final
class ExchangeHost:
    """Serves ``handle`` as ``subjects.target``.

    Only the holder of the lease answers, publishes and trades. Another host of the same target listens to the same
    account meanwhile, and takes over when the lease runs out.
    """

    def __init__(
        self,
        broker: Broker,
        handle: ExchangeHandle,
        subjects: Subjects,
        lease: Lease,
        *,
        now_ms: Callable[[], int],
        account: bool,
        kept_for: float,
        book_pause: float = 0.0,
        takeover: Callable[[], Awaitable[object]] | None = None,
        on_state: Callable[[str], None] | None = None,
        replicas: int = 1,
        report: Callable[[Exception], None] | None = None,
    ) -> None:
        """``account`` says whether the exchange has one. ``takeover`` is awaited before the first call is taken:
        what became of orders that another host left open. ``on_state`` hears ``standby`` and ``active``,
        ``report`` what fails in the background. ``replicas``: on how many nodes the broker keeps what it keeps.
        """
        self._broker = broker
        self._handle = handle
        self._subjects = subjects
        self._lease = lease
        self._now_ms = now_ms
        self._takeover = takeover
        self._on_state = on_state
        self._report = report
        self._pause = book_pause
        self._epoch = ""
        self._publications: dict[str, Publication] = {}
        self._opening = asyncio.Lock()
        self._listed = False
        self._answers: Recent[str, asyncio.Task[bytes]] = Recent(_REMEMBERED)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reduced = Reduced()
        self._log = None
        if account:
            self._log = EventLog(
                broker.client,
                handle,
                subjects,
                kept_for=kept_for,
                reduced=self._reduced,
                replicas=replicas,
                report=report,
            )

    # --- life

    async def run(self) -> None:
        """Stand by, serve while the lease lasts, stand by again; until cancelled."""
        try:
            while True:
                self._state("standby")
                await self._lease.acquire()
                try:
                    await self._serve()
                except (FraError, NatsError, OSError) as error:
                    # What the account has told is not published yet, so the same host must go on.
                    if self._report is not None:
                        self._report(error)
                    await self._lease.release()
                    await asyncio.sleep(_AGAIN)
        finally:
            if self._log is not None:
                await self._log.close()
            await self._lease.release()

    def _state(self, state: str) -> None:
        if self._on_state is not None:
            self._on_state(state)

    async def _serve(self) -> None:
        self._epoch = uuid4().hex
        keeping = asyncio.create_task(self._lease.keep(), name=f"fra lease {self._subjects.target}")
        subscriptions: list[Subscription] = []
        try:
            await self._until_lost(keeping, self._begin(subscriptions))
            if not keeping.done():
                self._state("active")
                await self._until_lost(keeping, self._beat())
        finally:
            await end(keeping)
            for subscription in subscriptions:
                await self._broker.unsubscribe(subscription)
            if self._log is not None:
                await self._log.silence()
            await end(*self._tasks)
            for publication in tuple(self._publications.values()):
                await publication.close()
            self._publications.clear()

    async def _begin(self, subscriptions: list[Subscription]) -> None:
        if self._log is not None:
            await self._log.prepare()
            self._log.publish()
        if self._takeover is not None:
            await self._takeover()
        subscriptions.append(await self._broker.subscribe(self._subjects.renew, self._on_renew))
        subscriptions.append(await self._broker.subscribe(self._subjects.calls, self._on_call))
        await self._broker.flush()  # a call that is sent when we say that we are active is heard

    async def _until_lost(self, keeping: asyncio.Task[None], work: Any) -> None:
        task = asyncio.create_task(work)
        try:
            await asyncio.wait((keeping, task), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            await end(task)

    async def _beat(self) -> None:
        while True:
            for publication in tuple(self._publications.values()):
                if monotonic() - publication.used > UNUSED:
                    del self._publications[publication.subject]
                    await publication.close()
                else:
                    await publication.look()
            streams = {one.subject: (one.number, one.status, one.age) for one in self._publications.values()}
            if self._log is not None:
                streams[self._subjects.events] = (self._log.last, self._log.status, self._log.age)
            beat = wire.Beat(self._epoch, streams, self._handle.status.value, self._reduced.models)
            if self._broker.connected:
                await self._broker.publish(self._subjects.beat, wire.encode(beat))
            await asyncio.sleep(_BEAT)

    # --- calls

    async def _on_renew(self, message: Msg) -> None:
        now = monotonic()
        for subject in wire.decode(message.data, list[str]):
            publication = self._publications.get(subject)
            if publication is not None:
                publication.used = now

    async def _on_call(self, message: Msg) -> None:
        # Without the lease we say nothing: another host may have heard the same call, and does what it says.
        if not message.reply or not self._lease.held:
            return
        task = asyncio.create_task(self._respond(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respond(self, message: Msg) -> None:
        try:
            data = await self._once(message)
        except LeaseLost:
            return  # the asking side waits in vain, and finds out from who holds it now
        except Exception as error:
            data = wire.encode(wire.Answer(VERSION, failure=wire.failure(error, exchange=self._handle.name)))
        try:
            await message.respond(data)
        except (NatsError, OSError):
            pass  # who asked is told that nobody answered, and asks what became of it

    async def _once(self, message: Msg) -> bytes:
        """The same question, heard twice, is asked once."""
        call = wire.decode(message.data, wire.Call)
        wire.check_version(call.version)
        place, _, name = message.subject.removeprefix(f"{self._subjects.root}.").partition(".call.")
        if place != "trade":
            return await self._answer(place, name, call)
        answer = self._answers.get(call.id)
        if answer is None:
            answer = self._answers[call.id] = asyncio.create_task(self._answer(place, name, call))
            self._tasks.add(answer)
            answer.add_done_callback(self._tasks.discard)
        return await asyncio.shield(answer)

    async def _answer(self, place: str, name: str, call: wire.Call) -> bytes:
        if self._now_ms() > call.deadline_ms:
            raise ExchangeConnectionError("it reached the host after its deadline, and was not sent", sent=False)
        value = await self._value(place, name, call.arguments)
        return wire.pack(wire.encode(wire.Answer(VERSION, wire.raw(value))))

    async def _value(self, place: str, name: str, arguments: msgspec.Raw) -> object:
        if place == "market" and name == _DESCRIBE:
            return describe(
                self._handle.metadata,
                account=self._log is not None,
                epoch=self._epoch,
                connection=self._handle.status.value,
            )
        if place == "market" and name == _HEALTH:
            return await self._ask(name, HEALTH, arguments)
        if place == "market" and name == _OPEN:
            return await self._open(wire.decode(arguments, Open))
        try:
            operation = Operation(name)
            remote = REMOTE[operation]
        except (ValueError, KeyError):
            raise NotSupported(f"the host knows no {name!r}") from None
        if area(operation) != place:  # the broker granted one area, and another is asked for
            raise PermissionDenied(f"{name} is no call of {place!r}", code="permissions")
        if place == "trade":
            self._lease.check()
        return await self._ask(name, remote, arguments)

    async def _ask(self, name: str, remote: Remote, arguments: msgspec.Raw) -> object:
        takes = wire.decode(arguments, remote.takes)
        answer = await getattr(self._handle, name)(
            **{field: getattr(takes, field) for field in takes.__struct_fields__}
        )
        self._reduced.see(answer)
        if isinstance(answer, SymbolList):
            return wire.of_symbols(answer)
        if isinstance(answer, OrderBook):
            return wire.of_book(answer)
        return list(answer) if isinstance(answer, tuple | list) else answer

    async def _open(self, wanted: Open) -> wire.Opened:
        subject = self._subjects.stream(wanted.operation, wanted.symbol, wanted.parameter)
        async with self._opening:
            publication = self._publications.get(subject)
            if publication is None or publication.status.value in ("failed", "closed"):
                if publication is not None:
                    await publication.close()
                if not self._listed:  # so that a wrong symbol is told to who asks, and at once
                    await self._handle.get_symbols()
                    self._listed = True
                try:
                    publication = Publication(
                        self._handle,
                        wanted,
                        subject,
                        epoch=self._epoch,
                        publish=self._broker.publish,
                        reduced=self._reduced,
                        pause=self._pause,
                    )
                except ValueError as error:
                    raise ExchangeError(str(error)) from error
                self._publications[subject] = publication
        publication.used = monotonic()
        return publication.opened()
