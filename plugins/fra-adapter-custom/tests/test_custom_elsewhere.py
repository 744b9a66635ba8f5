"""Whoever is not the venue gets nothing: neither by a certificate that nobody vouches for, nor by a redirect."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme
from aiohttp import web
from serving import serving

from fra.core import ExchangeAPIError, ExchangeConnectionError


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_error_and_the_key_stays_here(
    bench: Any, keys: dict[str, Any], endpoints: Any, status: int
) -> None:
    async def away(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{bench.venue.url}/elsewhere"})

    bench.venue.answers["/private"] = away
    plugin = await bench.plugin(**keys)
    with pytest.raises(ExchangeAPIError) as caught:
        await plugin.http.request(endpoints["private"])
    assert caught.value.status_code == status
    assert "/private" in [path for _, path, _ in bench.venue.seen]
    assert "/elsewhere" not in [path for _, path, _ in bench.venue.seen]


async def test_a_certificate_that_nobody_vouches_for_is_a_connection_error_and_nothing_is_sent(
    bench: Any, keys: dict[str, Any]
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"serverTime": 1})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with serving(app, tls=context) as address:
        side = {"rest": f"https://{address}", "ws": "wss://127.0.0.1:1"}
        with pytest.raises(ExchangeConnectionError, match=r"(?i)certificate"):
            await bench.plugin(**keys, base_url={"main": side, "side": side})
    assert asked == []
