"""`fra compare` on four emulated venues: nothing differs beyond the named rules, and a real difference is found."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from traders import INVERSE, LINEAR, SPOT, VENUES, WITH_INVERSE, Trader, emulator, new_account, trading

from fra.core import OrderType
from fra.emulator import Account, Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOUND = "fra.compare.difference/1"
PRIVATE = {"get_balance", "get_positions", "get_open_orders"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator(htx_multi_assets=True) as running:
        yield running.venues


def table(name: str, venue: Venue, account: Account | None) -> str:
    lines = [f"[exchanges.{name}]", f'exchange_id = "{venue.name}"']
    if account is not None:
        lines += ['api_key = "env:COMPARED_KEY"', 'secret_key = "env:COMPARED_SECRET"']
        lines += ['passphrase = "env:COMPARED_PASSPHRASE"'] if venue.name == "okx" else []
    for market, urls in venue.markets.items():
        lines.append(f"[exchanges.{name}.base_url.{market}]")
        lines += [f"{kind} = {url!r}" for kind, url in urls.items()]
    return "\n".join(lines) + "\n"


async def compared(config: Path, account: Account | None, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and what was printed."""
    keys = {} if account is None else {"KEY": account.key, "SECRET": account.secret, "PASSPHRASE": account.passphrase}
    environ = os.environ | {f"COMPARED_{name}": str(value) for name, value in keys.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fra.core.main", "compare", *arguments, "--config", str(config), "--json"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows, errors.decode()
    return process.returncode, rows


def without_a_rule(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["schema"] == FOUND and row["rule"] is None]


async def hold_something(trader: Trader) -> None:
    """A position, and an order that rests."""
    for symbol, away in ((LINEAR, "-0.02"), (LINEAR, "0.05"), (SPOT, "0.05")):
        price = await trader.price(symbol, away)
        await trader.send(symbol, type=OrderType.LIMIT, price=price, amount=Decimal("0.1"))


@pytest.mark.parametrize("name", VENUES)
async def test_native_and_ccxt_differ_by_named_rules_only(
    venues: Mapping[str, Venue], name: str, tmp_path: Path
) -> None:
    venue, account = venues[name], new_account()
    config = tmp_path / "fra.toml"
    config.write_text(table(name, venue, account))
    async with trading(venue, account) as trader:
        await hold_something(trader)
        symbols = [SPOT, LINEAR, *([INVERSE] if name in WITH_INVERSE else [])]
        code, rows = await compared(config, account, name, f"{name}_ccxt", "--symbols", ",".join(symbols))
    assert without_a_rule(rows) == []
    assert code == 0
    rows_of: dict[str, int] = {}
    for row in rows:
        if row["schema"] == "fra.compare.question/1":
            rows_of[row["operation"]] = rows_of.get(row["operation"], 0) + row["rows"]
    assert rows_of.keys() >= {"get_symbols", "get_ticker", "get_orderbook", "get_trades", "get_klines", *PRIVATE}
    # nothing passes for agreement because nothing was there
    assert all(rows_of.values())


async def test_an_account_is_asked_for_only_where_both_have_credentials(
    venues: Mapping[str, Venue], tmp_path: Path
) -> None:
    config = tmp_path / "fra.toml"
    config.write_text(table("okx", venues["okx"], None))
    _, rows = await compared(config, None, "okx", "okx_ccxt", "--symbols", LINEAR)
    assert PRIVATE.isdisjoint(row.get("operation") for row in rows)


async def test_two_markets_that_are_not_the_same_are_told_apart(venues: Mapping[str, Venue], tmp_path: Path) -> None:
    config = tmp_path / "fra.toml"
    async with emulator("okx", seed=4) as other:
        config.write_text(table("one", venues["okx"], None) + table("two", other.venues["okx"], None))
        code, rows = await compared(config, None, "one", "two", "--symbols", LINEAR)
    assert code == 1
    assert {row["operation"] for row in without_a_rule(rows)} >= {"get_klines", "get_funding_rate_history"}
