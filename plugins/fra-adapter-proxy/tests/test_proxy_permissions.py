"""Who may do what, as a real broker enforces it: passwords, nkeys, credentials files, TLS; and who may only look."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import nkeys
import pytest
import pytest_asyncio
import trustme
from proxy_world import NatsServer, World

from fra.core import (
    ConfigError,
    ExchangeAuthError,
    ExchangeConnectionError,
    OrderRequest,
    OrderType,
    PermissionDenied,
    Side,
    StreamStatus,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPOT = "BTC/USDT"
HOST, READER, TRADER = "host-password", "reader-password", "trader-password"


def new_seed(prefix: int) -> tuple[str, str]:
    """A fresh nkey: its seed and its public key."""
    pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))
    return pair.seed.decode(), pair.public_key.decode()


@pytest.fixture(scope="module")
def nkey(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file with a seed, and its public key."""
    seed, public = new_seed(nkeys.PREFIX_BYTE_USER)
    path = tmp_path_factory.mktemp("nkey") / "user.nk"
    path.write_text(seed, encoding="utf-8")
    return path, public


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory, nkey: tuple[Path, str]) -> AsyncIterator[NatsServer]:
    """A broker with the users that the README gives: a host, one who looks, one who trades, one with an nkey."""
    config = f"""
    authorization {{ users = [
      {{ user: host, password: {HOST} }}
      {{ nkey: {nkey[1]} }}
      {{ user: reader, password: {READER}, permissions: {{
          publish: ["fra.v1.*.market.call.>", "fra.v1.*.market.renew"]
          subscribe: ["fra.v1.*.market.>", "_INBOX.>"] }} }}
      {{ user: trader, password: {TRADER}, permissions: {{
          publish: ["fra.v1.main.*.call.>", "fra.v1.main.market.renew",
                    "$JS.API.STREAM.INFO.fra_v1_main_events", "$JS.API.CONSUMER.CREATE.fra_v1_main_events"]
          subscribe: ["fra.v1.main.market.>", "_INBOX.>"] }} }}
    ] }}"""
    server = NatsServer(tmp_path_factory.mktemp("guarded"), config=config)
    await server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def around(guarded: NatsServer) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(guarded, stack)


async def _hosted(world: World, target: str, **broker: object) -> None:
    paper = (await world.manager("paper", exchange_id="paper")).get_plugin("paper")
    hosting = await world.host(paper, target=target, **broker)
    await hosting.active.wait()


def _request(price: Decimal) -> OrderRequest:
    return OrderRequest(symbol=SPOT, side=Side.BUY, type=OrderType.LIMIT, amount=Decimal("0.01"), price=price)


async def test_a_reader_sees_markets_and_cannot_place_an_order(around: World) -> None:
    await _hosted(around, "main", user="host", password=HOST)
    far = await around.client("main", user="reader", password=READER)
    async with far.subscribe_orderbook(SPOT, depth=5) as books:
        assert (await anext(books)).valid
    with pytest.raises(PermissionDenied, match="does not let us"):
        await far.create_order(_request(Decimal(20_000)))
    with pytest.raises(PermissionDenied):
        await far.cancel_all_orders()
    with pytest.raises(PermissionDenied):
        await far.get_balance()
    assert (await far.get_ticker(SPOT)).bid is not None


async def test_the_account_of_who_may_not_read_it_fails_and_says_why(around: World) -> None:
    await _hosted(around, "main", user="host", password=HOST)
    far = await around.client("main", user="reader", password=READER)
    events = far.subscribe_user_data()
    with pytest.raises(PermissionDenied):
        await events.ready()
    assert events.status is StreamStatus.FAILED


async def test_a_trader_has_exactly_what_the_readme_grants_and_it_is_enough(around: World) -> None:
    await _hosted(around, "main", user="host", password=HOST)
    far = await around.client("main", user="trader", password=TRADER)
    events = far.subscribe_user_data()
    await events.ready()
    order = await far.create_order(_request(Decimal(20_000)))
    assert (await far.cancel_order(order.id, SPOT)).id == order.id
    async for event in events:
        if getattr(event, "id", None) == order.id:
            break
    await events.close()


async def test_an_nkey_logs_in(around: World, nkey: tuple[Path, str]) -> None:
    target = uuid4().hex
    await _hosted(around, target, nkey=nkey[0])
    far = await around.client(target, nkey=str(nkey[0]))
    assert await far.get_symbols()


async def test_a_wrong_password_is_told(around: World) -> None:
    with pytest.raises(ExchangeAuthError, match="refuses us"):
        await around.client("main", user="reader", password="another")
    with pytest.raises(ExchangeAuthError, match="refuses us"):
        await around.client("main")


async def test_a_file_that_is_not_there_is_named(around: World) -> None:
    with pytest.raises(ConfigError, match=r"no file /nowhere/user\.nk"):
        await around.client("main", nkey="/nowhere/user.nk")


# --- TLS


async def test_tls_with_certificates_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    server_cert, client_cert = authority.issue_cert("127.0.0.1"), authority.issue_cert("client@fra.test")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "server", "server_key", "client", "client_key")}
    authority.cert_pem.write_to_path(files["ca"])
    server_cert.cert_chain_pems[0].write_to_path(files["server"])
    server_cert.private_key_pem.write_to_path(files["server_key"])
    client_cert.cert_chain_pems[0].write_to_path(files["client"])
    client_cert.private_key_pem.write_to_path(files["client_key"])
    config = f"""tls {{ cert_file: "{files["server"]}", key_file: "{files["server_key"]}",
                  ca_file: "{files["ca"]}", verify: true }}"""
    server = NatsServer(tmp_path, config=config, scheme="tls")
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            world = World(server, stack)
            ours = {"tls_ca": files["ca"], "tls_cert": files["client"], "tls_key": files["client_key"]}
            await _hosted(world, "main", **ours)
            far = await world.client("main", **{name: str(path) for name, path in ours.items()})
            assert await far.get_symbols()
            with pytest.raises(ExchangeConnectionError, match="certificate"):
                await world.client("main", name="stranger")
            with pytest.raises(ConfigError, match="TLS files"):
                await world.client("main", name="careless", tls_ca=str(tmp_path / "none.pem"))
    finally:
        server.kill()


# --- credentials files


def _token(issuer: nkeys.KeyPair, claims: dict[str, object]) -> str:
    """A JWT as NATS signs it: ed25519 by an nkey."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    header = encode(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode())
    body = {"jti": uuid4().hex, "iat": int(time.time()), "iss": issuer.public_key.decode(), **claims}
    text = f"{header}.{encode(json.dumps(body).encode())}"
    return f"{text}.{encode(issuer.sign(text.encode()))}"


async def test_a_credentials_file_logs_in(tmp_path: Path) -> None:
    operator_seed, operator = new_seed(nkeys.PREFIX_BYTE_OPERATOR)
    account_seed, account = new_seed(nkeys.PREFIX_BYTE_ACCOUNT)
    user_seed, user = new_seed(nkeys.PREFIX_BYTE_USER)
    _, system = new_seed(nkeys.PREFIX_BYTE_ACCOUNT)
    signer: Callable[[str], nkeys.KeyPair] = lambda seed: nkeys.from_seed(seed.encode())  # noqa: E731
    everything = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1, **everything}
    operator_claims = {"type": "operator", "version": 2, "system_account": system}
    operator_jwt = _token(signer(operator_seed), {"sub": operator, "nats": operator_claims})
    system_jwt = _token(signer(operator_seed), {"sub": system, "nats": {"type": "account", "version": 2}})
    account_jwt = _token(
        signer(operator_seed), {"sub": account, "nats": {"type": "account", "version": 2, "limits": limits}}
    )
    user_limits = {"subs": -1, "data": -1, "payload": -1}
    user_jwt = _token(signer(account_seed), {"sub": user, "nats": {"type": "user", "version": 2, **user_limits}})
    creds = tmp_path / "user.creds"
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user_seed}\n------END USER NKEY SEED------\n",
        encoding="utf-8",
    )
    config = f"""operator: {operator_jwt}
    resolver: MEMORY
    resolver_preload: {{ {account}: {account_jwt}, {system}: {system_jwt} }}"""
    server = NatsServer(tmp_path, config=config)
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            world = World(server, stack)
            await _hosted(world, "main", creds=creds)
            far = await world.client("main", creds=str(creds))
            assert await far.get_symbols()
            with pytest.raises(ExchangeAuthError):
                await world.client("main", name="stranger")
    finally:
        server.kill()
