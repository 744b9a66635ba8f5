"""The order journal in a file: exact, safe before it answers, one process at a time, and clear about what is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from fra.core import (
    AccountInUse,
    JournalEntry,
    JournalError,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    SqliteJournal,
    TimeInForce,
)

NOW = 1_700_000_000_000
REQUEST = OrderRequest(
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Decimal("0.10"),
    price=Decimal("1E+5"),
    client_order_id="a1",
)
REQUESTS = [
    REQUEST,
    OrderRequest(symbol="X/Y", side=Side.SELL, type=OrderType.MARKET, quote_amount=Decimal("1000.000000000000000001")),
    OrderRequest(
        symbol="1000PEPE/USDT:USDT",
        side=Side.SELL,
        type=OrderType.STOP,
        amount=Decimal("3"),
        price=Decimal("0.00001230"),
        trigger_price=Decimal("1.3E-5"),
        reduce_only=True,
        position_side=PositionSide.LONG,
        client_order_id="ü1",
    ),
    OrderRequest(
        symbol="X/Y",
        side=Side.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(1),
        price=Decimal(2),
        time_in_force=TimeInForce.FOK,
    ),
    OrderRequest(
        symbol="X/Y", side=Side.BUY, type=OrderType.LIMIT, amount=Decimal(1), price=Decimal(2), post_only=True
    ),
]
ORDERS = [
    Order.of(REQUEST),
    Order.of(REQUEST, status=OrderStatus.OPEN, id="12", timestamp_ms=NOW),
    Order(
        symbol="BTC/USDT",
        side=Side.BUY,
        type=OrderType.TAKE_PROFIT,
        status=OrderStatus.CANCELED,
        id="9" * 30,
        amount=Decimal("12345678901234567890.123456789012345678"),
        filled=Decimal("0.3"),
        average_price=Decimal(1) / Decimal(3),
        trigger_price=Decimal("0E-8"),
        post_only=False,
        reason="„nachgereicht“\n",
        created_ms=NOW,
        timestamp_ms=NOW + 1,
    ),
]


def intent(name: str = "a1", *, at: int = NOW, exchange: str = "main", **changes: object) -> JournalEntry:
    request = attrs.evolve(REQUEST, client_order_id=name)
    return attrs.evolve(
        JournalEntry(
            exchange=exchange, client_order_id=name, timestamp_ms=at, request=request, status=OrderStatus.PENDING
        ),
        **changes,
    )


def outcome(name: str = "a1", status: OrderStatus = OrderStatus.OPEN, *, at: int = NOW + 1, **changes) -> JournalEntry:
    order = None if status is OrderStatus.UNKNOWN else Order.of(REQUEST, status=status, id="7")
    return intent(name, at=at, status=status, order=order, **changes)


async def written(path: Path, *entries: JournalEntry, **settings: object) -> None:
    """What a process that has ended wrote there."""
    journal = SqliteJournal(path, **settings)
    try:
        for entry in entries:
            await journal.record(entry)
    finally:
        await journal.close()


async def left(path: Path, **settings: object) -> list[JournalEntry]:
    """What the next process finds open."""
    journal = SqliteJournal(path, **settings)
    try:
        return [*await journal.claim("main")]
    finally:
        await journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders" / "okx-0123.sqlite"


# --- what it keeps


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request.type.value}-{request.side.value}")
async def test_a_request_comes_back_exactly_as_it_was(path: Path, request_: OrderRequest) -> None:
    entry = intent(request=request_, deadline_ms=NOW + 70_000)
    await written(path, entry)
    (found,) = await left(path)
    assert found == entry
    assert repr(found) == repr(entry)  # 0.10 is not 0.1


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.status.value)
async def test_an_order_comes_back_exactly_as_it_was(path: Path, order: Order) -> None:
    await written(path, intent(), intent(status=order.status, order=order))
    journal = SqliteJournal(path)
    assert repr(await journal.last_order("BTC/USDT", "a1")) == repr(order)
    await journal.close()


@pytest.mark.parametrize("status", OrderStatus)
async def test_an_intent_is_open_until_its_outcome_is_known(path: Path, status: OrderStatus) -> None:
    await written(path, intent(), outcome(status=status))
    unsettled = status in (OrderStatus.PENDING, OrderStatus.UNKNOWN)
    assert [entry.status for entry in await left(path)] == ([status] if unsettled else [])


async def test_what_is_known_is_not_made_unknown_again(path: Path) -> None:
    await written(path, intent(), outcome(status=OrderStatus.FILLED), outcome(status=OrderStatus.UNKNOWN))
    assert await left(path) == []


async def test_a_name_used_again_is_another_order(path: Path) -> None:
    await written(path, intent(), outcome(status=OrderStatus.FILLED), intent(at=NOW + 5))
    assert [entry.timestamp_ms for entry in await left(path)] == [NOW + 5]


async def test_own_intents_are_not_left_by_others(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.record(intent())
    assert await journal.has_open()
    assert await journal.claim("main") == []
    await journal.close()


async def test_a_file_of_several_accounts_tells_them_apart_by_instance(path: Path) -> None:
    await written(path, intent("a1"), intent("b1", exchange="other"))
    assert [entry.client_order_id for entry in await left(path)] == ["a1"]
    assert [entry.client_order_id for entry in await left(path, one_account=True)] == ["a1", "b1"]


async def test_settled_entries_are_forgotten_by_age_and_number_and_open_ones_never(path: Path) -> None:
    day = 86_400_000
    old = [intent("old"), outcome("old"), intent("open")]
    await written(path, *old, intent("new", at=NOW + 40 * day), outcome("new", at=NOW + 40 * day))
    await written(path)  # opened by its first entry only
    assert [entry.client_order_id for entry in await left(path)] == ["open"]
    names = [f"n{number}" for number in range(20)]
    entries = [make(name, at=NOW + 40 * day) for name in names for make in (intent, outcome)]
    await written(path, *entries, most=5)
    await left(path, most=5)
    with sqlite3.connect(path) as database:
        kept = [row[0] for row in database.execute("SELECT client_order_id FROM intents ORDER BY number")]
    database.close()
    assert kept == ["open", *names[-5:]]


def test_only_its_owner_can_read_it(path: Path) -> None:
    asyncio.run(written(path, intent()))
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


# --- the loop goes on


async def test_the_loop_goes_on_while_the_file_is_busy_and_then_all_that_waits_is_written(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.record(intent("first"))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(journal.record(intent(f"n{number}"))) for number in range(50)]
    for _ in range(100):
        await asyncio.sleep(0)  # turns that the loop would not get
    assert not any(task.done() for task in waiting)
    blocker.execute("COMMIT")
    await asyncio.gather(*waiting)
    assert blocker.execute("SELECT count(*) FROM intents").fetchone() == (51,)
    blocker.close()
    await journal.close()


async def test_an_entry_whose_writer_was_cancelled_is_written_all_the_same(path: Path) -> None:
    journal = SqliteJournal(path)
    task = asyncio.create_task(journal.record(intent()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.close()
    assert len(await left(path)) == 1


async def test_after_its_end_nothing_is_recorded(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.record(intent())
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError, match="was closed"):
        await journal.record(intent("b"))


# --- one process at a time

HOLDER = """
    import asyncio, sys
    sys.path.insert(0, {tests!r})
    from test_journal import SqliteJournal, intent
    async def main():
        journal = SqliteJournal({path!r})
        await journal.record(intent("theirs"))
        print("holds", flush=True)
        await asyncio.Event().wait()
    asyncio.run(main())
"""


@pytest.fixture
def holder(path: Path):
    """Another process that has written an intent and goes on."""
    code = textwrap.dedent(HOLDER.format(tests=str(Path(__file__).parent), path=str(path)))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.communicate()


async def test_a_second_process_is_refused_and_told_whom_to_ask(path: Path, holder) -> None:
    journal = SqliteJournal(path)
    assert await journal.has_open()  # reading works beside it
    for attempt in (journal.record(intent("mine")), journal.claim("main")):
        with pytest.raises(AccountInUse) as raised:
            await attempt
        assert raised.value.pid == holder.pid
        assert str(holder.pid) in str(raised.value)
        assert raised.value.path == f"{path}.lock"
        assert raised.value.path in str(raised.value)
        assert raised.value.cure
    await journal.close()


async def test_a_killed_process_holds_nothing_and_leaves_its_intents(path: Path, holder) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert [entry.client_order_id for entry in await left(path)] == ["theirs"]


async def test_two_journals_of_one_process_share_its_account(path: Path, tmp_path: Path) -> None:
    first, second = SqliteJournal(path), SqliteJournal(path)
    await first.record(intent("a"))
    await second.record(intent("b"))
    await first.close()
    await second.record(intent("c"))
    await second.close()
    assert [entry.client_order_id for entry in await left(path)] == ["a", "b", "c"]


# --- what can be wrong with a file


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (name TEXT)")
    database.close()


def _overwrite(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "what", "cure"),
    [
        (_newer, r"newer fra-core \(schema 99", "pip install -U fra-core"),
        (_foreign, "another program's database", "move the file away"),
        (lambda path: path.write_bytes(b"not a database at all" * 300), "not a database", "move the file away"),
        (_overwrite, "damaged|malformed", "move the file away"),
        (lambda path: path.unlink() or path.mkdir(), "cannot be", r"\[journal\] folder"),
    ],
    ids=["newer", "foreign", "garbage", "damaged", "no file"],
)
async def test_a_file_that_is_no_journal_is_refused_with_what_to_do(path: Path, spoil, what: str, cure: str) -> None:
    await written(path, intent())
    spoil(path)
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match=what) as raised:
        await journal.record(intent("b"))
    assert raised.value.path == str(path)
    assert str(path) in str(raised.value)
    assert raised.value.cure is not None
    with pytest.raises(JournalError, match=cure):
        await journal.claim("main")
    await journal.close()


async def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = SqliteJournal(tmp_path / "file" / "orders.sqlite")
    with pytest.raises(JournalError, match="FRA_JOURNAL"):
        await journal.record(intent())
    await journal.close()


async def test_entries_that_are_no_orders_are_damage(path: Path) -> None:
    await written(path, intent())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE intents SET request = '{\"symbol\": 7}'")
    database.close()
    with pytest.raises(JournalError, match="holds what is no order"):
        await left(path)
