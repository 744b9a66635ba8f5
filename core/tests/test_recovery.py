"""What an earlier process left open in the journal: in use until it is known, asked for, told, written down."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from fra.core import (
    AccountInUse,
    DuplicateOrder,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeMetadata,
    JournalEntry,
    MarketKind,
    MemoryJournal,
    Operation,
    Order,
    OrderChanged,
    OrderFate,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    PluginType,
    Side,
    SqliteJournal,
)
from fra.core.host.context import now_ms

KEYS = {"api_key": "an-api-key", "secret_key": "a-secret"}
BUY = OrderRequest(
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Decimal(1),
    price=Decimal(100),
    client_order_id="left1",
)
MINUTE = 60_000
LONG_AGO = 20 * MINUTE
"""Nothing sent then can still be on its way, and every venue would still know it."""


class Life:
    """One exchange with an account, process after process."""

    def __init__(self, kit, folder: Path) -> None:
        self.kit = kit
        self.folder = folder
        self.answers: list[Order | Exception] = []
        self.listed: list[Order] = []
        self.asked = asyncio.Event()
        life = self

        class Venue(kit.Memory):
            capabilities = kit.Memory.capabilities | ExchangeCapabilities.of(
                (Operation.GET_ORDER, Operation.GET_OPEN_ORDERS, Operation.GET_ORDER_HISTORY), (MarketKind.SPOT,)
            )

            async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
                life.asked.set()
                answer = life.answers.pop(0) if len(life.answers) > 1 else life.answers[0]
                if isinstance(answer, Exception):
                    raise answer
                return answer

            async def get_open_orders(self, symbol=None):
                return [order for order in life.listed if not order.status.final]

            async def get_order_history(self, symbol=None, *, since=None, until=None, limit=None):
                return [order for order in life.listed if order.status.final]

        self.venue = Venue

    def manager(self, journal=None, **settings: object) -> PluginManager:
        configuration = {"exchanges": {"mem": {"plugin": "memory", **KEYS, **settings}}}
        manager = PluginManager.from_config(
            {**configuration, "journal": {"folder": str(self.folder)}},
            registry=self.kit.registry(memory=self.venue),
            journal=journal,
        )
        for event in (OrderChanged, ErrorRaised):
            manager.register_event_handler(event, self.kit.events.append)
        return manager

    async def leave(self, *, before_ms: int = 0, exchange: str = "mem", request: OrderRequest = BUY) -> None:
        """What a process leaves that is killed before it hears what became of its order."""
        async with self.manager() as manager:
            await manager.get_plugin("mem").create_order(attrs.evolve(BUY, client_order_id="theirs"))
        (path,) = self.folder.glob("*.sqlite")
        journal = SqliteJournal(path)
        at = now_ms() - before_ms
        await journal.record(
            JournalEntry(
                exchange=exchange,
                client_order_id=request.client_order_id or "",
                timestamp_ms=at,
                deadline_ms=at + 70_000,
                request=request,
                status=OrderStatus.PENDING,
            )
        )
        await journal.close()
        self.kit.events.clear()

    async def still_open(self) -> bool:
        (path,) = self.folder.glob("*.sqlite")
        journal = SqliteJournal(path)
        try:
            return await journal.has_open()
        finally:
            await journal.close()

    def changes(self) -> list[OrderStatus]:
        return [event.order.status for event in self.kit.heard(OrderChanged)]


@pytest.fixture
def life(kit, tmp_path: Path) -> Life:
    return Life(kit, tmp_path / "orders")


def had(status: OrderStatus, **changes: object) -> Order:
    """The order as the venue has it."""
    return attrs.evolve(Order.of(BUY, status=status, id="9", timestamp_ms=now_ms()), **changes)


# --- what became of it


@pytest.mark.parametrize("status", [OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED])
async def test_an_order_that_the_venue_has_is_found_told_and_written_down(life: Life, status: OrderStatus) -> None:
    await life.leave()
    filled = BUY.amount if status is OrderStatus.FILLED else Decimal(0)
    life.answers = [had(status, filled=filled)]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
        assert (found.fate, found.client_order_id, found.request) == (OrderFate.FOUND, "left1", BUY)
        assert found.order is not None
        assert (found.order.status, found.order.filled) == (status, filled)
        assert await manager.get_plugin("mem").recover_orders() == ()
    assert life.changes() == [OrderStatus.UNKNOWN, status]
    assert not await life.still_open()


async def test_it_is_settled_in_the_background_of_a_start_that_nobody_asks(life: Life) -> None:
    await life.leave()
    life.answers = [had(OrderStatus.OPEN)]
    told = asyncio.Event()
    manager = life.manager()
    manager.register_event_handler(OrderChanged, lambda event: event.order.status is OrderStatus.OPEN and told.set())
    async with manager, asyncio.timeout(5):
        await told.wait()
    assert not await life.still_open()


async def test_a_start_does_not_wait_for_a_venue_that_does_not_answer(life: Life) -> None:
    await life.leave()

    class Silent(life.venue):
        async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
            life.asked.set()
            await asyncio.Event().wait()

    life.venue = Silent
    async with asyncio.timeout(5), life.manager() as manager:
        await life.asked.wait()
        assert manager.get_plugin("mem").name == "mem"
    assert await life.still_open()


async def test_its_name_is_in_use_until_it_is_known(life: Life) -> None:
    await life.leave()
    life.answers = [ExchangeConnectionError("no route")]
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        with pytest.raises(DuplicateOrder, match="'left1' of BTC/USDT is unknown"):
            await mem.create_order(BUY)
        life.answers = [had(OrderStatus.CANCELED)]
        await mem.recover_orders()
        assert (await mem.create_order(BUY)).status is OrderStatus.OPEN


async def test_news_of_an_order_that_lives_on_are_heard_and_written_down(life: Life) -> None:
    await life.leave()
    life.answers = [OrderNotFound("not yet")]
    told = asyncio.Event()
    manager = life.manager()
    manager.register_event_handler(OrderChanged, lambda event: event.order.status is OrderStatus.FILLED and told.set())
    async with manager, asyncio.timeout(5):
        await life.kit.plugin.follows_account.wait()
        await life.asked.wait()
        life.kit.plugin.sources["user_data", None].publish(had(OrderStatus.FILLED, filled=BUY.amount))
        await told.wait()
        (found,) = await manager.get_plugin("mem").recover_orders()
    assert (found.fate, found.order.status) == (OrderFate.FOUND, OrderStatus.FILLED)
    assert not await life.still_open()


# --- that the venue does not know it


@pytest.mark.parametrize("before_ms", [0, 5 * MINUTE, 7 * MINUTE])
async def test_an_order_is_not_called_dead_while_it_may_still_arrive(life: Life, before_ms: int) -> None:
    await life.leave(before_ms=before_ms)
    life.answers = [OrderNotFound("unknown")]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
    until = datetime.fromtimestamp((found.recorded_ms + 70_000 + 6 * MINUTE) / 1000, UTC)
    assert (found.fate, found.order) == (OrderFate.UNKNOWN, None)
    assert found.reason == f"the venue does not know it, but it could still arrive until {until:%H:%M:%S} UTC"
    assert life.changes() == [OrderStatus.UNKNOWN]
    assert await life.still_open()


async def test_later_it_never_arrived(life: Life) -> None:
    await life.leave(before_ms=8 * MINUTE)
    life.answers = [OrderNotFound("unknown")]
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        (found,) = await mem.recover_orders()
        assert (found.fate, found.order) == (OrderFate.NEVER_ARRIVED, None)
        assert found.reason == "never arrived: 8 minutes after it was written down the venue does not know it"
        assert (await mem.create_order(BUY)).client_order_id == "left1"
    (told,) = [event.order for event in life.kit.heard(OrderChanged) if event.order.status is OrderStatus.REJECTED]
    assert told.reason == found.reason
    assert not await life.still_open()


async def test_one_answer_is_not_enough_for_that(life: Life) -> None:
    await life.leave(before_ms=LONG_AGO)
    life.answers = [OrderNotFound("a replica that lags"), had(OrderStatus.FILLED, filled=BUY.amount)]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
    assert found.fate is OrderFate.FOUND


async def test_what_venues_forget_is_looked_for_in_the_history(life: Life) -> None:
    await life.leave(before_ms=3 * 60 * MINUTE)
    life.answers = [OrderNotFound("forgotten")]
    life.listed = [had(OrderStatus.FILLED, filled=BUY.amount)]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
    assert found.fate is OrderFate.FOUND


async def test_what_is_in_no_history_either_does_not_live(life: Life) -> None:
    await life.leave(before_ms=3 * 60 * MINUTE)
    life.answers = [OrderNotFound("forgotten")]
    life.listed = [had(OrderStatus.OPEN, client_order_id="another", id="8")]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
    assert found.fate is OrderFate.NEVER_ARRIVED
    assert "forgotten" in (found.reason or "")


@pytest.mark.parametrize(
    "error", [ExchangeConnectionError("no route"), ExchangeAuthError("who are you"), ValueError("odd")]
)
async def test_a_venue_that_does_not_say_leaves_it_open_with_the_reason(life: Life, error: Exception) -> None:
    await life.leave(before_ms=LONG_AGO)
    life.answers = [error]
    async with life.manager() as manager:
        (found,) = await manager.get_plugin("mem").recover_orders()
    assert found.fate is OrderFate.UNKNOWN
    assert str(error) in (found.reason or "")
    assert await life.still_open()


async def test_one_that_cannot_be_asked_for_is_told_as_an_error(life: Life) -> None:
    await life.leave(request=attrs.evolve(BUY, symbol="GONE/USDT"))
    told = asyncio.Event()
    manager = life.manager()
    manager.register_event_handler(ErrorRaised, lambda event: told.set())
    async with manager, asyncio.timeout(5):
        await told.wait()
    (event,) = life.kit.heard(ErrorRaised)
    assert isinstance(event.error, OrderOutcomeUnknown)
    assert event.error.client_order_id == "left1"
    assert "GONE/USDT" in str(event.error)


# --- whose journal it is


async def test_reading_works_beside_a_process_that_trades_and_an_order_is_refused(life: Life) -> None:
    await life.leave()
    (path,) = life.folder.glob("*.sqlite")
    code = f"""
import asyncio
from fra.core import SqliteJournal
async def main():
    journal = SqliteJournal({str(path)!r}, one_account=True)
    await journal.claim("bot")
    print("holds", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    bot = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert bot.stdout is not None
    assert await bot.stdout.readline() == b"holds\n"
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        assert await mem.get_open_orders() == []
        for trial in (mem.create_order(BUY), mem.recover_orders()):
            with pytest.raises(AccountInUse, match=f"process {bot.pid}") as raised:
                await trial
            assert raised.value.pid == bot.pid
        assert not [call for call in life.kit.plugin.calls if call[0] == "create_order"]
        assert not life.kit.heard(ErrorRaised)
        bot.kill()
        await bot.wait()
        life.answers = [had(OrderStatus.OPEN)]
        with pytest.raises(DuplicateOrder):  # what the bot left is ours now
            await mem.create_order(BUY)
        (found,) = await mem.recover_orders()
        assert found.fate is OrderFate.FOUND


async def test_who_only_reads_and_has_settled_what_was_open_holds_the_account_no_longer(life: Life) -> None:
    await life.leave()
    life.answers = [had(OrderStatus.FILLED, filled=BUY.amount)]
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        (found,) = await mem.recover_orders()
        assert found.fate is OrderFate.FOUND
        (path,) = life.folder.glob("*.sqlite")
        assert await trying(path) == "free"
        await mem.create_order(attrs.evolve(BUY, client_order_id="mine"))
        assert await trying(path) == "AccountInUse"


async def trying(path: Path) -> str:
    """What another process is told that wants to send orders."""
    code = f"""
import asyncio
from fra.core import AccountInUse, SqliteJournal
async def main():
    journal = SqliteJournal({str(path)!r}, one_account=True)
    try:
        await journal.claim("bot")
        print("free")
    except AccountInUse as error:
        print(type(error).__name__)
    await journal.close()
asyncio.run(main())
"""
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await other.communicate()
    return said.decode().strip()


async def test_an_order_under_way_at_the_end_is_written_down(life: Life) -> None:
    leaving = asyncio.Event()

    class Slow(life.venue):
        async def create_order(self, request, symbol):
            leaving.set()
            await asyncio.sleep(0.05)
            return await super().create_order(request, symbol)

    life.venue = Slow
    async with life.manager() as manager:
        sending = asyncio.create_task(manager.get_plugin("mem").create_order(BUY))
        await leaving.wait()
    assert (await sending).status is OrderStatus.OPEN
    assert not await life.still_open()


async def test_a_caller_who_is_cancelled_while_it_is_written_down_leaves_nothing_open(life: Life) -> None:
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        await mem.create_order(attrs.evolve(BUY, client_order_id="first"))
        sending = asyncio.create_task(mem.create_order(BUY))
        for _ in range(3):
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    sent = [call[1].client_order_id for call in life.kit.plugin.calls if call[0] == "create_order"]
    assert sent == ["first"]
    assert not await life.still_open()


async def test_a_reload_goes_on_in_the_same_journal(life: Life) -> None:
    async with life.manager() as manager:
        mem = manager.get_plugin("mem")
        await mem.create_order(BUY)
        await manager.reload_plugin("mem")
        await mem.create_order(attrs.evolve(BUY, client_order_id="after"))
    (path,) = life.folder.glob("*.sqlite")
    journal = SqliteJournal(path)
    for name in ("left1", "after"):
        order = await journal.last_order("BTC/USDT", name)
        assert order is not None
    await journal.close()


def _describing(life: Life, **changes: object) -> type:
    class Named(life.venue):
        @classmethod
        def describe(cls) -> ExchangeMetadata:
            return attrs.evolve(super().describe(), **changes)

    return Named


async def test_adapters_of_one_venue_write_to_one_file_and_a_test_network_to_another(life: Life) -> None:
    base = life.venue
    for number, (changes, settings) in enumerate(
        [
            ({"name": "okx"}, {}),
            ({"name": "okx_ccxt", "plugin_type": PluginType.CCXT}, {}),
            ({"name": "ccxt", "plugin_type": PluginType.CCXT}, {"exchange_id": "okx"}),
            ({"name": "okx"}, {"sandbox": True}),
            ({"name": "okx"}, {"base_url": "http://127.0.0.1:1"}),
            ({"name": "okx"}, {"base_url": "https://eea.okx.example"}),
            ({"name": "okx"}, {"api_key": "another-key"}),
        ]
    ):
        life.venue = base
        life.venue = _describing(life, **changes)
        async with life.manager(**settings) as manager:
            await manager.get_plugin("mem").create_order(attrs.evolve(BUY, client_order_id=f"n{number}"))
    names = sorted(path.name for path in life.folder.glob("*.sqlite"))
    assert len(names) == 4
    assert all(name.startswith("okx-") for name in names)
    assert len({name.split("-")[1].partition(".")[0] for name in names}) == 2
    assert not [name for name in names if "an-api-key" in name or "another-key" in name]
    stored = json.dumps([path.read_bytes().decode("latin-1") for path in life.folder.glob("*.sqlite")])
    assert "an-api-key" not in stored
    assert "a-secret" not in stored


async def test_an_account_that_needs_no_key_and_a_given_journal_make_no_file(life: Life) -> None:
    venue = life.venue
    life.venue = _describing(life, account_needs_credentials=False)
    async with life.manager() as manager:
        await manager.get_plugin("mem").create_order(BUY)
    life.venue = venue
    given = MemoryJournal()
    async with life.manager(journal=given) as manager:
        await manager.get_plugin("mem").create_order(BUY)
    assert [entry.status for entry in given.entries] == [OrderStatus.PENDING, OrderStatus.OPEN]
    assert not life.folder.exists()


async def test_without_an_order_there_is_no_file(life: Life) -> None:
    async with life.manager() as manager:
        assert await manager.get_plugin("mem").get_open_orders() == []
    assert not life.folder.exists()
