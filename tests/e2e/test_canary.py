"""A secret that is used as key, secret and passphrase of every account is seen nowhere but by the venues."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import pickle
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
from traders import LINEAR, SPOT, VENUES, Trader, configured, emulator, managed, new_account

from fra.core import (
    ErrorRaised,
    Event,
    ExchangeAuthError,
    ExchangeError,
    FraError,
    OrderRequest,
    OrderType,
    PluginManager,
    Side,
)
from fra.emulator import Account, Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOT = Decimal("0.1")


def canaries(venue: str) -> Account:
    """Letters and digits only, so that no encoding hides them."""
    return new_account(**{what: f"cAnArY{what}Of{venue}" for what in ("key", "secret", "passphrase")})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    """Each with one account whose secrets are the canaries."""
    async with emulator() as running:
        for name, venue in running.venues.items():
            venue.open_account(canaries(name))
        yield running.venues


class Overheard:
    """Everything that was said where others can read it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.warned: list[warnings.WarningMessage] = []

    def thing(self, *things: object) -> None:
        """Whatever a debugger, a log or a notebook would show of it."""
        for thing in things:
            self.texts += [repr(thing), str(thing), f"{thing}"]

    def error(self, error: BaseException) -> None:
        """An error, what it was raised from, and their tracebacks."""
        seen: BaseException | None = error
        while seen is not None:
            self.thing(seen, vars(seen), seen.args)
            seen = seen.__cause__ or seen.__context__
        self.texts.append("".join(traceback.format_exception(error)))
        self.texts.append(pickle.dumps(error).decode("latin1"))

    async def call(self, call: Awaitable[object]) -> FraError | None:
        """What comes of it, or the error."""
        try:
            self.thing(await call)
        except FraError as error:
            self.error(error)
            return error
        return None

    def leaks(self, account: Account) -> list[str]:
        own = (account.key, account.secret, account.passphrase)
        return [text for text in self.texts if any(secret in text for secret in own)]


@pytest.fixture
def overheard(caplog: pytest.LogCaptureFixture) -> Iterator[Overheard]:
    """With all logs and warnings kept, which `complete` puts into it."""
    heard = Overheard()
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        heard.warned = caught
        yield heard


def complete(heard: Overheard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    heard.thing(*heard.warned)
    for record in caplog.records:
        heard.thing(record.getMessage(), vars(record))
    heard.texts += list(capfd.readouterr())


def order(symbol: str = LINEAR, **fields: Any) -> OrderRequest:
    given = {"side": Side.BUY, "type": OrderType.MARKET, "amount": LOT, **fields}
    return OrderRequest(symbol=symbol, **given)


async def trade(trader: Trader, heard: Overheard) -> None:
    """All private calls, those that succeed and those that are refused."""
    handle = trader.handle
    price = await trader.price(LINEAR, "0.05")
    sent = await trader.send(LINEAR, type=OrderType.LIMIT, price=price)
    for call in (
        handle.get_balance(),
        handle.get_balance("nowhere"),
        handle.get_positions(),
        handle.get_open_orders(),
        handle.get_order(sent.id, LINEAR),
        handle.get_order("123456789", LINEAR),
        handle.cancel_order(sent.id, LINEAR),
        handle.cancel_order("123456789", SPOT),
        handle.cancel_all_orders(),
        handle.get_order_history(LINEAR),
        handle.get_trade_history(SPOT),
        handle.get_funding_payments(LINEAR),
        handle.set_leverage(LINEAR, 5),
        handle.create_order(order()),
        handle.create_order(order(SPOT, side=Side.SELL)),
        handle.create_order(order(type=OrderType.LIMIT, price=price, amount=Decimal(200))),
        handle.create_order(order(side=Side.SELL, reduce_only=True, amount=Decimal(1))),
    ):
        await heard.call(call)


async def trouble(trader: Trader, heard: Overheard, account: Account) -> set[type[FraError]]:
    """A venue that quotes secrets in every way, sends garbage, hangs up, and is late."""
    handle, venue = trader.handle, trader.venue
    quoted = f"{account.key} {account.secret} {account.passphrase}"
    code = {"binance": -2015, "okx": "50111", "bybit": 10003, "htx": "api-signature-not-valid"}[venue.name]
    bodies = [
        json.dumps({"code": code, "retCode": code, "msg": quoted, "retMsg": quoted, "status": "error"}),
        json.dumps({"status": "error", "err-code": code, "err_code": 403, "err-msg": quoted, "err_msg": quoted}),
        f"<html>{quoted}</html>",
        json.dumps({"data": quoted, "result": quoted, "code": "0", "retCode": 0, "status": "ok"}),
        quoted,
    ]
    errors: set[type[FraError]] = set()

    async def ask() -> None:
        for call in (handle.get_balance(), handle.get_positions(), handle.set_leverage(LINEAR, 7)):
            error = await heard.call(call)
            if error is not None:
                errors.add(type(error))

    for status, body in ((401, bodies[0]), (200, bodies[1]), (400, bodies[2]), (200, bodies[3]), (400, bodies[4])):
        answer = venue.answer_with(status, body, headers={"X-Echo": quoted, "Retry-After": "0"})
        await ask()
        answer.left = 0
    venue.answer_normally()
    venue.refuse_connections(requests=True)
    await ask()
    venue.refuse_connections(False)
    return errors


@pytest.mark.parametrize("name", VENUES)
async def test_it_is_in_no_log_repr_error_event_or_warning(
    venues: Mapping[str, Venue],
    name: str,
    overheard: Overheard,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    asyncio.get_running_loop().set_debug(True)
    venue = venues[name]
    (account,) = [known for known in venue.exchange.accounts.values() if known.key.startswith("cAnArY")]
    quoted = f"{account.key} {account.secret} {account.passphrase}"
    config = configured(venue, account, timeout=0.5) | {"passphrase": account.passphrase}
    try:
        async with PluginManager.from_config({"exchanges": {"main": config}}) as manager:
            manager.register_event_handler(Event, overheard.thing)
            known = manager.config_manager.get_exchange_config("main")
            overheard.thing(manager, manager.config_manager, known, attrs.asdict(known), manager.failures)
            overheard.texts.append(json.dumps(manager.config_manager.describe(), default=str))
            trader = Trader(manager.get_plugin("main"), venue, account)
            overheard.thing(trader.handle, trader.handle.metadata, vars(trader.handle))
            stream = await trader.listen()
            await trade(trader, overheard)
            venue.push_raw(json.dumps({"event": "error", "code": "60012", "msg": quoted, "arg": quoted, "op": quoted}))
            venue.push_raw(json.dumps({"e": "error", "topic": quoted, "data": quoted, "action": quoted}))
            venue.push_raw(quoted)
            venue.cut()
            await trader.down()
            sent = await trader.send()
            await trader.told.until(lambda: trader.told.events and stream.status.name == "LIVE")
            errors = await trouble(trader, overheard, account)
            assert any(issubclass(kind, ExchangeError) for kind in errors)
            overheard.thing(stream, stream.error, sent, *trader.told.events, *trader.heard.events)
            overheard.thing(*(await manager.health_check_all()).values())
            trader.leave()
        overheard.thing(manager, vars(manager))
    finally:
        asyncio.get_running_loop().set_debug(False)
    gc.collect()
    complete(overheard, caplog, capfd)
    assert len(overheard.texts) > 200
    assert overheard.leaks(account) == []


@pytest.mark.parametrize("name", VENUES)
async def test_it_is_in_nothing_that_is_said_of_a_key_that_is_refused(
    venues: Mapping[str, Venue],
    name: str,
    overheard: Overheard,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    venue = venues[name]
    right = new_account()
    venue.open_account(right)
    stranger = attrs.evolve(canaries(name), key=f"cAnArYstrangerOf{name}")
    liar = attrs.evolve(stranger, key=right.key)
    for account in (stranger, liar):
        async with managed({"main": configured(venue, account)}) as manager:
            manager.register_event_handler(ErrorRaised, overheard.thing)
            handle = manager.get_plugin("main")
            for call in (handle.get_balance(), handle.create_order(order()), handle.subscribe_user_data().ready()):
                assert isinstance(await overheard.call(call), ExchangeAuthError)
            overheard.thing(handle, *(await manager.health_check_all()).values())
    complete(overheard, caplog, capfd)
    assert overheard.leaks(stranger) == []
    assert overheard.leaks(liar) == []


COMMANDS = (
    "balance --json",
    "positions --json",
    f"fills {LINEAR} --json",
    f"order buy {LINEAR} 0.1 -e binance --yes --json",
    f"order sell {LINEAR} 200 --price 90000 -e okx --yes --json",
    f"cancel 123456789 {LINEAR} -e htx --json",
    f"hedge {LINEAR} --long bybit --short htx --size 5000 --json",
)
REFUSED = ("balance --json", f"order buy {LINEAR} 0.1 -e bybit --yes --json")


def environment(folder: Path, venues: Mapping[str, Venue]) -> dict[str, str]:
    """A fra.toml whose secrets are in the environment."""
    tables: list[str] = []
    values = dict(os.environ)
    for name, venue in venues.items():
        (account,) = [known for known in venue.exchange.accounts.values() if known.key.startswith("cAnArYkey")]
        rows = [f"[exchanges.{name}]"]
        for field, value in (
            ("api_key", account.key), ("secret_key", account.secret), ("passphrase", account.passphrase)
        ):  # fmt: skip
            values[f"{name.upper()}_{field.upper()}"] = value
            rows.append(f'{field} = "env:{name.upper()}_{field.upper()}"')
        for market, urls in venue.markets.items():
            rows.append(f"[exchanges.{name}.base_url.{market}]")
            rows += [f'{key} = "{url}"' for key, url in urls.items()]
        tables += rows
    (folder / "fra.toml").write_text("\n".join(tables) + "\n")
    return values


def command_lines() -> Iterator[str]:
    """Of every process that may be looked at."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue


@pytest.mark.parametrize("quoting", [False, True], ids=["answered", "refused with a quotation"])
async def test_it_is_in_no_output_and_no_command_line(
    venues: Mapping[str, Venue], tmp_path: Path, quoting: bool
) -> None:
    env = environment(tmp_path, venues)
    if quoting:
        for name, venue in venues.items():
            (account,) = [known for known in venue.exchange.accounts.values() if known.key.startswith("cAnArYkey")]
            quoted = f"{account.key} {account.secret} {account.passphrase}"
            body = {"code": -2015 if name == "binance" else "50111", "msg": quoted, "retCode": 10003, "retMsg": quoted}
            body |= {"status": "error", "err-code": "api-signature-not-valid", "err-msg": quoted, "err_msg": quoted}
            for path in ("balance", "account", "position", "order", "asset_mode"):
                venue.answer_with(401, json.dumps(body), path=path)
    lines: list[str] = []
    slots = asyncio.Semaphore(2)

    async def run(command: str) -> str:
        async with slots:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "fra.core.main", *command.split(),
                cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(60):
                lines.extend(command_lines())
                out, err = await process.communicate()
        assert b"Traceback" not in err, err.decode()
        return f"{command} {out.decode()}{err.decode()}"

    try:
        told = await asyncio.gather(*(run(command) for command in (REFUSED if quoting else COMMANDS)))
    finally:
        for venue in venues.values():
            venue.answer_normally()
    assert all(len(text) > 30 for text in told)
    assert [text for text in [*told, *lines] if "cAnArY" in text] == []
