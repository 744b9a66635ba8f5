"""Recorded REST answers: made against the emulator (or a live venue) and played back without any network.

FRA_RECORD, which `nox -s record` sets, says against what: `emulator` or `live`. Without it cassettes are played.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import vcr
from vcr.record_mode import RecordMode
from vcr.stubs import aiohttp_stubs

from fra.core import ExchangeHandle, connect

if TYPE_CHECKING:
    from vcr.cassette import Cassette
    from vcr.request import Request

MASK = "scrubbed"
HOST = "venue.invalid"
"""Where every recorded request goes: which server answered is no part of a cassette."""

_PRIVATE = re.compile(r"key|secret|sign|pass|token|auth|cookie|nonce|mail|mobile|phone", re.IGNORECASE)
_PERSONAL = re.compile(
    r"(?:main|master|sub)?uid|(?:user|login)name|(?:user|account)alias|(?:user|acct|account)id|label|(?:client|remote)?ip"
    r"|xforwardedfor"
)
_MOMENTS = frozenset(("timestamp", "recvwindow", "okaccesstimestamp"))
_FIELD = re.compile(r'"(?P<name>[^"\\]+)"(?P<colon>\s*:\s*)(?P<value>"(?:[^"\\]|\\.)*"|-?\d+)')
_FORM = re.compile(r"[\w.~%-]+=[^\s&]*(?:&[\w.~%-]+=[^\s&]*)*")


def is_private(name: str) -> bool:
    """Whether a header, parameter or field of this name may hold a key, a signature or who somebody is."""
    return bool(_PRIVATE.search(name)) or bool(_PERSONAL.fullmatch(_plain(name)))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _is_hidden_in_request(name: str) -> bool:
    return is_private(name) or _plain(name) in _MOMENTS


def scrub_request(request: Request) -> Request:
    """A request as it may be kept: no key, no signature, no time of signing, no host."""
    request.headers = {name: MASK if _is_hidden_in_request(name) else value for name, value in request.headers.items()}
    parts = urlsplit(request.uri)
    request.uri = urlunsplit(("http", HOST, parts.path, _scrub_form(parts.query), ""))
    if request.body:
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        request.body = _scrub_text(body).encode()
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """An answer as it may be kept: no account, no token, no cookie."""
    headers = response["headers"]
    response["headers"] = {name: [MASK] if is_private(name) else values for name, values in headers.items()}
    body = response["body"].get("string")
    if body:
        text = body.decode() if isinstance(body, bytes) else body
        scrubbed = _scrub_text(text)
        response["body"]["string"] = scrubbed.encode()
        for name, values in headers.items():
            if name.lower() == "content-length" and values:
                response["headers"][name] = [str(len(scrubbed.encode()))]
    return response


def _scrub_text(text: str) -> str:
    if _FORM.fullmatch(text):
        return _scrub_form(text)
    return _FIELD.sub(_scrub_field, text)  # as text, so that every number stays as the venue wrote it


def _scrub_field(field: re.Match[str]) -> str:
    if not is_private(field["name"]) or field["value"] == '""':
        return field[0]
    value = f'"{MASK}"' if field["value"].startswith('"') else "0"
    return f'"{field["name"]}"{field["colon"]}{value}'


def _scrub_form(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(_is_hidden_in_request(name) for name, _ in pairs):
        return query
    return urlencode([(name, MASK if _is_hidden_in_request(name) else value) for name, value in pairs], quote_via=quote)


class _Stream(aiohttp_stubs.MockStream):  # type: ignore[misc]
    """vcrpy's body has no readany, on which aiohttp's own iter_any stands."""

    async def readany(self) -> bytes:
        return await self.read(65_536)


def recorder(mode: RecordMode) -> vcr.VCR:
    """vcrpy as the cassettes need it."""
    aiohttp_stubs.MockStream = _Stream
    return vcr.VCR(
        record_mode=mode,
        match_on=("method", "path", "query"),
        before_record_request=scrub_request,
        before_record_response=scrub_response,
        decode_compressed_response=True,
    )


def unplayed(tape: Cassette) -> list[str]:
    """The recorded requests that nobody made."""
    return [request.uri for index, (request, _) in enumerate(tape.data) if not tape.play_counts[index]]


def _open(cassette: Path, *, record: bool) -> AbstractContextManager[Cassette]:
    if record:
        cassette.unlink(missing_ok=True)
    # On an empty cassette new episodes are recorded once, and a repeated question is answered from it.
    player = recorder(RecordMode.NEW_EPISODES if record else RecordMode.NONE)
    return player.use_cassette(str(cassette), allow_playback_repeats=True)


def recording() -> str | None:
    """What is being recorded from, None while playing."""
    return os.environ.get("FRA_RECORD") or None


@asynccontextmanager
async def recorded(name: str, cassette: Path) -> AsyncIterator[tuple[ExchangeHandle, Cassette]]:
    """The exchange ``name``, answered from the cassette; or recorded into it when FRA_RECORD says so."""
    source = recording()
    base_url: Any = None if source == "live" else f"http://{HOST}"
    async with AsyncExitStack() as stack:
        if source == "emulator":
            from fra.emulator import Emulator

            emulator = await stack.enter_async_context(Emulator([name], seed=7))
            base_url = emulator.venues[name].markets
        tape = stack.enter_context(_open(cassette, record=source is not None))
        handle = await stack.enter_async_context(connect(name, base_url=base_url))
        yield handle, tape
