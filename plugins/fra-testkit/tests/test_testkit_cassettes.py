"""What is recorded holds no key, no signature and nobody's account, and can still be played."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.record_mode import RecordMode
from yarl import URL

from fra.testkit.cassettes import HOST, CassetteLeaks, Privacy, Scrubber, cassette, recorder
from fra.testkit.scripted import Answer, Asked, ScriptedVenue

CANARY = "canary7f3e9b"
HEX = "9f" * 32
BASE64 = "b64Q" * 10 + "xyZ="

HEADERS = {
    "X-MBX-APIKEY": CANARY,
    "OK-ACCESS-KEY": CANARY,
    "OK-ACCESS-SIGN": f"{CANARY}/+=",
    "OK-ACCESS-PASSPHRASE": CANARY,
    "OK-ACCESS-TIMESTAMP": "2026-01-01T00:00:00.000Z",
    "Authorization": f"Bearer {CANARY}",
    "Cookie": f"session={CANARY}",
    "X-Nobody-Knows": HEX,
    "User-Agent": "fra",
}
QUERY = (
    f"symbol=BTCUSDT&AccessKeyId={CANARY}&timestamp=1700000000000&recvWindow=5000&signature={CANARY}%2F%3D&sig={CANARY}"
    f"&hash={HEX}"
)
BODIES = [
    f"symbol=BTCUSDT&signature={CANARY}",
    f'{{"instId": "BTC-USDT", "apiKey": "{CANARY}", "args": [{{"passphrase": "{CANARY}"}}], "digest": "{BASE64}"}}',
    f'{{"keys": [{{"k": "v"}}, "{CANARY}"], "apiKey": "{CANARY}", "apiKey": ""}}',
    f'{{"symbol": "A", "apiKey": "{CANARY}", "raw": "{{\\"uid\\": 77001234, cut off',
    f'{{"payload": "{{\\"apiKey\\":\\"{CANARY}\\",\\"accountId\\":77001234}}", "keys": ["{CANARY}", 1]}}',
]
ANSWER = (
    f'{{"listenKey": "{CANARY}", "uid": 77001234, "email": "{CANARY}@example.com", "label": "{CANARY} \\"mine\\"",'
    f' "account-id": 77001234, "note": "{CANARY}", "ips": ["203.0.113.7"], "proof": "{HEX}", "token": 1.5,'
    ' "price": 0.10, "balances": [{"asset": "BTC", "free": "1.00"}], "sign": "",'
    f' "raw": "{{\\"uid\\":\\"77001234\\",\\"apiKey\\":\\"{CANARY}\\"}}"}}'
)
PATH = "/v1/account/accounts/77001234/balance"


async def talk(path: Path, mode: RecordMode, url: str, *, query: str = QUERY) -> tuple[list[str], object]:
    """Signed calls, and what came back."""
    answers = []
    with recorder(mode).use_cassette(str(path)) as tape:
        async with aiohttp.ClientSession() as session:
            for body in BODIES:
                asked = URL(f"{url}{PATH}?{query}", encoded=True)
                async with session.post(asked, data=body, headers=HEADERS) as response:
                    answers.append(b"".join([chunk async for chunk in response.content.iter_any()]).decode())
    return answers, tape


@pytest.fixture
async def url() -> AsyncIterator[str]:
    def answer(_: Asked) -> Answer:
        return Answer(ANSWER, headers={"Set-Cookie": f"session={CANARY}", "X-Weight": "5"})

    async with ScriptedVenue() as venue:
        venue.answer(f"POST {PATH}", answer)
        yield venue.url


async def test_neither_keys_nor_signatures_nor_accounts_are_written_down(url: str, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, url)
    text = (tmp_path / "tape.yaml").read_text(encoding="utf-8")
    for private in (CANARY, "77001234", "1700000000000", "127.0.0.1", "203.0.113.7", HEX, BASE64):
        assert private not in text
    for kept in (HOST, "BTCUSDT", "BTC-USDT"):
        assert kept in text


async def test_what_was_scrubbed_can_be_played_without_a_network(url: str, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, url)
    later = QUERY.replace("1700000000000", "1800000000000").replace("signature=canary", "signature=other")
    answers, tape = await talk(tmp_path / "tape.yaml", RecordMode.NONE, "http://127.0.0.1:1", query=later)
    assert tape.all_played  # type: ignore[attr-defined]
    assert '"price": 0.10, "balances": [{"asset": "BTC", "free": "1.00"}]' in answers[0]


async def test_another_question_is_not_answered_from_the_tape(url: str, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, url)
    with pytest.raises(CannotOverwriteExistingCassetteException):
        await talk(tmp_path / "tape.yaml", RecordMode.NONE, url, query=QUERY.replace("BTCUSDT", "ETHUSDT"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"instId": "BTC-USDT", "id": 5, "tradeId": "7", "rate": 0.00010, "time": 1700000000000}',
        b'{"big":1e400,"nan":NaN,"a":[ ],"a":{"b" : 1.10}}',
        b'{"cut": "off", "tradeId": "7", "x',
        b'{"orderId": "6f9619ff8b86d011b42d00c04fc964ff", "text": "two words and a = sign"}',
        b"\x1f\x8b\xff",
    ],
)
def test_an_answer_without_secrets_stays_as_it_was(body: bytes) -> None:
    response = {"headers": {"X-Weight": ["5"]}, "body": {"string": body}}
    assert Scrubber().response(response)["body"]["string"] == body


def test_where_something_is_scrubbed_every_number_stays_as_it_was() -> None:
    body = b'{"uid": 7, "rate": 0.00010, "big": 1e400, "n": -0, "deep": [{"price": 1.10}]}'
    scrubbed = Scrubber().response({"headers": {}, "body": {"string": body}})["body"]["string"]
    assert scrubbed == body.replace(b'"uid": 7', b'"uid": 0')


def test_a_known_secret_is_scrubbed_under_any_name_and_in_any_spelling() -> None:
    scrubber = Scrubber(Privacy(values=["s3cr/t+value"]))
    body = b'{"a": "s3cr/t+value", "b": "s3cr%2Ft%2Bvalue", "c": "czNjci90K3ZhbHVl", "d": "say s3cr/t+value!"}'
    scrubbed = scrubber.response({"headers": {}, "body": {"string": body}})["body"]["string"]
    assert scrubbed == b'{"a": "scrubbed", "b": "scrubbed", "c": "scrubbed", "d": "say scrubbed!"}'


def test_an_author_adds_private_names_and_takes_out_those_that_only_look_private() -> None:
    scrubber = Scrubber(Privacy(names=["Holder-Ref"], public=["baseToken"]))
    body = b'{"holder_ref": "me", "baseToken": "BTC"}'
    scrubbed = scrubber.response({"headers": {}, "body": {"string": body}})["body"]["string"]
    assert scrubbed == b'{"holder_ref": "scrubbed", "baseToken": "BTC"}'


async def record(url: str, path: Path, body: str | bytes, *, fail: bool = False) -> None:
    with cassette(path):
        async with aiohttp.ClientSession() as session, session.post(f"{url}{PATH}", data=body) as response:
            await response.read()
        if fail:
            raise ZeroDivisionError


async def test_a_recording_that_still_leaks_does_not_stay(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRA_RECORD", "local")
    with pytest.raises(CassetteLeaks) as caught:
        await record(url, tmp_path / "tape.yaml", CANARY.encode() + b"\xff")  # what is no text the filter cannot read
    assert CANARY not in str(caught.value)
    assert os.listdir(tmp_path) == []


async def test_a_recording_that_fails_leaves_the_one_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRA_RECORD", "local")
    await record(url, tmp_path / "tape.yaml", '{"symbol": "A"}')
    before = (tmp_path / "tape.yaml").read_bytes()
    with pytest.raises(ZeroDivisionError):
        await record(url, tmp_path / "tape.yaml", '{"symbol": "B"}', fail=True)
    assert os.listdir(tmp_path) == ["tape.yaml"]
    assert (tmp_path / "tape.yaml").read_bytes() == before
    await record(url, tmp_path / "tape.yaml", '{"symbol": "B"}')
    assert b"B" in (tmp_path / "tape.yaml").read_bytes()
