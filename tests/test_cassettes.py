"""What is recorded holds no key, no signature and nobody's account, and can still be played."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cassettes import HOST, recorder, scrub_response
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.record_mode import RecordMode
from yarl import URL

CANARY = "canary7f3e9b"

HEADERS = {
    "X-MBX-APIKEY": CANARY,
    "OK-ACCESS-KEY": CANARY,
    "OK-ACCESS-SIGN": f"{CANARY}/+=",
    "OK-ACCESS-PASSPHRASE": CANARY,
    "OK-ACCESS-TIMESTAMP": "2026-01-01T00:00:00.000Z",
    "Authorization": f"Bearer {CANARY}",
    "Cookie": f"session={CANARY}",
    "User-Agent": "fra",
}
QUERY = f"symbol=BTCUSDT&AccessKeyId={CANARY}&timestamp=1700000000000&recvWindow=5000&signature={CANARY}%2F%3D"
BODIES = [
    f"symbol=BTCUSDT&signature={CANARY}",
    f'{{"instId": "BTC-USDT", "apiKey": "{CANARY}", "args": [{{"passphrase": "{CANARY}"}}]}}',
]
ANSWER = (
    f'{{"listenKey": "{CANARY}", "uid": 77001234, "email": "{CANARY}@example.com", "label": "{CANARY} \\"mine\\"",'
    ' "price": 0.10, "balances": [{"asset": "BTC", "free": "1.00"}], "sign": ""}'
)


async def talk(cassette: Path, mode: RecordMode, *, port: int, query: str = QUERY) -> tuple[list[str], object]:
    """Two signed calls, and what came back."""
    answers = []
    with recorder(mode).use_cassette(str(cassette)) as tape:
        async with aiohttp.ClientSession() as session:
            for body in BODIES:
                url = URL(f"http://127.0.0.1:{port}/api?{query}", encoded=True)
                async with session.post(url, data=body, headers=HEADERS) as response:
                    answers.append(b"".join([chunk async for chunk in response.content.iter_any()]).decode())
    return answers, tape


@pytest.fixture
async def server() -> object:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            text=ANSWER, content_type="application/json", headers={"Set-Cookie": f"session={CANARY}", "X-Weight": "5"}
        )

    app = web.Application()
    app.router.add_post("/api", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_neither_keys_nor_signatures_nor_accounts_are_written_down(server: int, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, port=server)
    text = (tmp_path / "tape.yaml").read_text(encoding="utf-8")
    assert CANARY not in text
    assert "77001234" not in text
    assert "1700000000000" not in text
    assert "127.0.0.1" not in text
    assert HOST in text
    assert "BTCUSDT" in text


async def test_what_was_scrubbed_can_be_played_without_a_network(server: int, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, port=server)
    signed_later = QUERY.replace("1700000000000", "1800000000000").replace("signature=canary", "signature=other")
    answers, tape = await talk(tmp_path / "tape.yaml", RecordMode.NONE, port=1, query=signed_later)
    assert tape.all_played
    assert '"price": 0.10, "balances": [{"asset": "BTC", "free": "1.00"}]' in answers[0]


async def test_another_question_is_not_answered_from_the_tape(server: int, tmp_path: Path) -> None:
    await talk(tmp_path / "tape.yaml", RecordMode.ALL, port=server)
    with pytest.raises(CannotOverwriteExistingCassetteException):
        await talk(tmp_path / "tape.yaml", RecordMode.NONE, port=1, query=QUERY.replace("BTCUSDT", "ETHUSDT"))


def test_an_answer_without_secrets_stays_as_it_was() -> None:
    body = b'{"instId": "BTC-USDT", "id": 5, "tradeId": "7", "rate": 0.00010, "time": 1700000000000}'
    response = {"headers": {"X-Weight": ["5"]}, "body": {"string": body}}
    assert scrub_response(response)["body"]["string"] == body


@pytest.mark.parametrize("name", ["binance", "okx"])
def test_a_cassette_of_ours_names_no_server(repository: Path, name: str) -> None:
    text = (repository / f"plugins/fra-exchange-{name}/tests/cassettes/rest.yaml").read_text(encoding="utf-8")
    assert f"http://{HOST}/" in text
    assert "127.0.0.1" not in text
