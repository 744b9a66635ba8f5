"""The filter: what a request and an answer become before they are written down."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypedDict
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from fra.testkit.cassettes.fields import LOOSE, Number, Value, dump, parse, rewrite
from fra.testkit.cassettes.privacy import ACCOUNT_IN_PATH, MASK, Privacy

if TYPE_CHECKING:
    from vcr.request import Request  # type: ignore[import-untyped]

HOST: Final = "venue.invalid"
"""Where every recorded request goes: which server answered is no part of a cassette."""

FORM: Final = re.compile(r"[\w.~%-]+=[^\s&]*(?:&[\w.~%-]+=[^\s&]*)*")
"""A form body or a query."""


class Response(TypedDict):
    """What vcrpy hands over of an answer, as far as it is looked at."""

    headers: dict[str, list[str]]
    body: dict[str, bytes | str]


@attrs.frozen
class Scrubber:
    """Takes out what ``privacy`` names. A text that holds nothing private stays as it was, every number in any."""

    privacy: Privacy = attrs.field(factory=Privacy)

    def request(self, request: Request) -> Request:
        """A request as it may be kept: no key, no signature, no time of signing, no host."""
        request.headers = {
            name: MASK if self.privacy.is_hidden(name) else self.privacy.mask(_header(value), request=True, name=name)
            for name, value in request.headers.items()
        }
        parts = urlsplit(request.uri)
        request.uri = urlunsplit(("http", HOST, self._path(parts.path), self._form(parts.query), ""))
        if request.body and (body := _decoded(request.body)) is not None:
            request.body = self._body(body, request=True).encode()
        return request

    def response(self, response: Response) -> Response:
        """An answer as it may be kept: no account, no token, no cookie."""
        headers = response["headers"]
        response["headers"] = {
            name: [MASK]
            if self.privacy.is_private(name)
            else [self.privacy.mask(value, request=False, name=name) for value in values]
            for name, values in headers.items()
        }
        body = response["body"].get("string")
        if body and (text := _decoded(body)) is not None:
            scrubbed = self._body(text, request=False).encode()
            response["body"]["string"] = scrubbed
            for name, values in headers.items():
                if name.lower() == "content-length" and values:
                    response["headers"][name] = [str(len(scrubbed))]
        return response

    def _path(self, path: str) -> str:
        path = ACCOUNT_IN_PATH.sub(lambda found: f"{found['what']}/{_masked(found['id'])}", path)
        return "/".join(self.privacy.mask(part, request=True) for part in path.split("/"))

    def _body(self, text: str, *, request: bool) -> str:
        if FORM.fullmatch(text):
            return self._form(text)
        return self.privacy.mask(self._text(text, request), request=False)

    def _text(self, text: str, request: bool, name: str = "") -> str:
        """A text may be JSON, or only itself."""
        parsed = parse(text)
        if parsed is None:
            return self.privacy.mask(LOOSE.sub(self._loose, text), request=request and bool(name), name=name)
        kept = rewrite(parsed, lambda name, value: self._value(name, value, request))
        return text if kept == parsed else dump(kept)

    def _value(self, name: str, value: Value, request: bool) -> Value:
        if value is None or isinstance(value, bool) or value == "":
            return value
        if name and self.privacy.is_private(name):
            return Number("0") if isinstance(value, Number) else MASK
        if isinstance(value, Number) or not isinstance(value, str):
            return value
        return self._text(value, request, name)

    def _loose(self, field: re.Match[str]) -> str:
        quote, value = field["quote"], field["value"]
        if not self.privacy.is_private(field["name"]) or value == quote * 2:
            return field[0]
        return field["head"] + (f"{quote}{MASK}{quote}" if value.startswith(quote) else "0")

    def _form(self, query: str) -> str:
        pairs = parse_qsl(query, keep_blank_values=True)
        kept = [
            (name, MASK if self.privacy.is_hidden(name) else self.privacy.mask(value, request=True, name=name))
            for name, value in pairs
        ]
        return query if kept == pairs else urlencode(kept, quote_via=quote)


def _masked(value: str) -> str:
    return "0" if value.isdecimal() else MASK


def _header(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _decoded(body: bytes | str | object) -> str | None:
    """Its text; None for bytes that are none, which the linter refuses."""
    if not isinstance(body, bytes):
        return str(body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
