"""The REST client: tables in, typed answers out, every failure an error of fra's tree."""

from __future__ import annotations

import asyncio
import random
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import attrs
import msgspec
from yarl import URL

from fra.adapters.custom.auth import (
    AuthHandler,
    HttpRequest,
    encode_json,
    encode_query,
    encode_rows,
    missing_credentials,
)
from fra.adapters.custom.clock import ClockSample
from fra.adapters.custom.endpoint import Costs, Endpoint, Params
from fra.adapters.custom.errors import ErrorTable, Failure, Refusal
from fra.adapters.custom.inflate import Inflater, TooLarge
from fra.adapters.custom.network import Network
from fra.adapters.custom.options import CustomOptions
from fra.adapters.custom.urls import BaseUrls
from fra.core import (
    Banned,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    Limiter,
    OrderOutcomeUnknown,
    RateLimit,
)

R = TypeVar("R")

_RETRY_DELAY: Final = 0.25
_ORDER_WAITS: Final = 3
"""Times ``timeout`` of the configuration that an order may wait for the venue's budgets."""
_PROXY_REFUSES: Final = 407
_ERROR_BODY: Final = 1_000_000
_PATH_NAME: Final = re.compile(r"\{(\w+)\}")
_COMPRESSED: Final = ("gzip", "deflate", "x-gzip")


@attrs.frozen
class Timed(Generic[R]):
    """An answer, and our clock just before sending and just after receiving (fractional milliseconds)."""

    value: R
    sent_ms: float
    received_ms: float

    def sample(self, server_ms: float) -> ClockSample:
        """A look at the venue's clock, which stood in this answer."""
        return ClockSample(server_ms=server_ms, sent_ms=self.sent_ms, received_ms=self.received_ms)


@attrs.frozen
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray

    @property
    def beginning(self) -> bytes:
        """As much as an error can be read from, so that a huge answer is not copied."""
        return bytes(self.body[:_ERROR_BODY])


class HttpClient:
    """The REST calls of one configured instance over one aiohttp session."""

    def __init__(
        self,
        config: ExchangeConfig,
        *,
        network: Network,
        urls: BaseUrls,
        errors: ErrorTable,
        limiter: Limiter,
        limits: Iterable[RateLimit],
        endpoints: Iterable[Endpoint[object]],
        options: CustomOptions,
        now_ms: Callable[[], int],
        auth: AuthHandler | None = None,
        headers: Mapping[str, str] | None = None,
        used: Callable[[Endpoint[object], Mapping[str, str]], Iterable[tuple[str, int]]] | None = None,
        sync_clock: Callable[[], object] | None = None,
        before_order: Callable[[], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._network = network
        self._urls = urls
        self._errors = errors
        self._limiter = limiter
        self._intervals = {limit.scope: limit.interval for limit in limits}
        self._endpoints = tuple(endpoints)
        self._options = options
        self._now_ms = now_ms
        self._auth = auth
        self._headers = dict(headers or {})
        self._used = used
        self._sync_clock = sync_clock
        self._before_order = before_order
        self._rng = rng if rng is not None else random.Random()
        self._known_key = False

    async def request(self, endpoint: Endpoint[R], params: Params | None = None, *, priority: bool = False) -> R:
        """Make the call and give its decoded answer.

        Waits for the venue's budgets first (``priority``: from the reserve too, for cancels). A read is repeated a few
        times when no answer came. Raises errors of fra's tree, with the venue's code and raw answer; an answer that
        is not what the row declares is an ExchangeAPIError with the code "malformed".
        """
        return (await self.timed(endpoint, params, priority=priority)).value

    async def timed(self, endpoint: Endpoint[R], params: Params | None = None, *, priority: bool = False) -> Timed[R]:
        """As :meth:`request`, with the times of the attempt that was answered."""
        values = {**self._config.extra_params, **(params or {})}
        if endpoint.signed or endpoint.key_only:
            self._require_credentials()
        costs = dict(endpoint.costs(values))
        repeats = self._options.retries if endpoint.safe else 0
        resynced = False
        attempt = 0
        while True:
            if endpoint.outcome_id is None:
                await self._limiter.acquire(costs, priority=priority)
            else:
                await self._acquire_in_time(costs)
            try:
                return await self._attempt(endpoint, values, costs)
            except ExchangeConnectionError:
                if attempt >= repeats:
                    raise
            except (ExchangeAPIError, ExchangeAuthError) as error:
                # What is not signed has no time in it: above all the question for the time itself.
                late = endpoint.signed and error.code in self._errors.clock_codes
                if not late or resynced or self._sync_clock is None:
                    raise
                resynced = True
                try:
                    synced = self._sync_clock()
                    if asyncio.iscoroutine(synced):
                        await synced
                except ExchangeConnectionError as unread:
                    raise error from unread  # what the venue has refused, it has not done
                continue
            await asyncio.sleep(self._rng.uniform(0.0, _RETRY_DELAY * 2**attempt))
            attempt += 1

    async def _acquire_in_time(self, costs: dict[str, int]) -> None:
        """Room for an order; one that would leave much later than it was meant to is not sent at all."""
        patience = _ORDER_WAITS * self._config.timeout
        try:
            async with asyncio.timeout(patience):
                await self._limiter.acquire(costs)
        except TimeoutError:
            raise ExchangeRateLimitError(
                f"nothing was sent: the venue's budgets had no room for it within {patience:g} s",
                exchange=self._config.name,
            ) from None

    # --- one attempt

    async def _attempt(self, endpoint: Endpoint[R], values: Mapping[str, object], costs: Costs) -> Timed[R]:
        granted = time.monotonic()
        url, request = self._prepare(endpoint, values)
        if endpoint.outcome_id is not None and self._before_order is not None:
            self._before_order()
        offset = self._now_ms() - time.perf_counter() * 1000
        sent = time.perf_counter()
        failure: ExchangeError
        try:
            try:
                answer = await self._exchange(url, request)
            finally:
                self._limiter.answered(costs, since=granted)
        except TooLarge as error:
            failure = self._malformed(endpoint, str(error))
        except zlib.error as error:
            failure = self._malformed(endpoint, f"its compression is broken: {error}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = self._network.failure(error, to=request.host)
        else:
            received = time.perf_counter()
            if self._used is not None:
                for scope, units in self._used(endpoint, answer.headers):
                    self._limiter.observe(scope, units)
            value = self._decoded(endpoint, answer, costs, values)
            return Timed(value, offset + sent * 1000, offset + received * 1000)
        # Outside of the except clause, so that no request, with its headers, is chained to the error.
        raise self._verdict(endpoint, values, failure)

    def _prepare(self, endpoint: Endpoint[object], values: Mapping[str, object]) -> tuple[URL, HttpRequest]:
        """Serialise once: what is built here is what is signed and what is sent."""
        base = self._urls.get(endpoint.market, endpoint.url)
        parts = urlsplit(base)
        rest = dict(values)
        path = parts.path + _PATH_NAME.sub(lambda match: quote(str(rest.pop(match[1])), safe=""), endpoint.path)
        headers = dict(self._headers)
        query, body = "", b""
        if endpoint.body == "query":
            query = encode_query(rest)
        elif endpoint.body == "json":
            body = encode_json(rest)
            headers["Content-Type"] = "application/json"
        elif endpoint.body == "json_rows":
            body = encode_rows(rest)
            headers["Content-Type"] = "application/json"
        else:
            body = encode_query(rest).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = HttpRequest(
            method=endpoint.method, host=parts.netloc, path=path, query=query, body=body, headers=headers
        )
        if self._auth is not None and (endpoint.signed or endpoint.key_only):
            request = self._auth.sign(request, endpoint)
        return URL(f"{parts.scheme}://{parts.netloc}{request.target}", encoded=True), request

    async def _exchange(self, url: URL, request: HttpRequest) -> _Answer:
        async with self._network.session().request(
            request.method,
            url,
            data=request.body or None,
            headers={**request.headers, **self._network.headers_to(url.scheme)},
            allow_redirects=False,
            proxy=self._network.proxy,
            proxy_headers=self._network.proxy_headers,
        ) as response:
            return _Answer(response.status, response.headers, await self._read(response))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | bytearray:
        limit = self._options.max_response_bytes
        encoding = response.headers.get("Content-Encoding", "").lower()
        inflater = Inflater(limit) if encoding in _COMPRESSED else None
        if response.content_length is not None and response.content_length > limit:
            response.close()
            raise TooLarge(f"it is larger than {limit:,} bytes")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk if inflater is None else inflater.feed(chunk)
            if len(body) > limit:
                response.close()
                raise TooLarge(f"it is larger than {limit:,} bytes")
        return body

    # --- what the answer means

    def _decoded(self, endpoint: Endpoint[R], answer: _Answer, costs: Costs, values: Mapping[str, object]) -> R:
        refusal: Refusal | None = None
        error: ExchangeError | None = None
        if 200 <= answer.status < 300:
            try:
                value = endpoint.decoder.decode(answer.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
                refusal = self._refusal(answer.beginning)
                error = None if refusal else self._malformed(endpoint, str(reason), answer)
            else:
                refusal = self._errors.check(value) if self._errors.check is not None else None
                if refusal is None:
                    self._known_key = self._known_key or endpoint.signed
                    return value
        elif answer.status == _PROXY_REFUSES and self._network.proxy is not None:
            error = self._network.proxy_refused(answer.status)
        else:
            refusal = self._refusal(answer.beginning)
        if error is None:
            error = self._refused(endpoint, answer, refusal or Refusal("", ""), costs)
        raise self._verdict(endpoint, values, error)

    def _refusal(self, body: bytes) -> Refusal | None:
        try:
            return self._errors.read(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None

    def _refused(self, endpoint: Endpoint[object], answer: _Answer, refusal: Refusal, costs: Costs) -> ExchangeError:
        failure = Failure(
            code=refusal.code,
            message=self._network.redact(refusal.message),
            status=answer.status,
            headers=answer.headers,
            body=self._network.redact_bytes(answer.beginning),
            retry_after=_seconds(answer.headers.get("Retry-After")),
            known_key=self._known_key,
        )
        error = self._errors.error(failure, exchange=self._config.name)
        if isinstance(error, ExchangeRateLimitError):
            self._shut(endpoint, error, costs)
        return error

    def _shut(self, endpoint: Endpoint[object], error: ExchangeRateLimitError, costs: Costs) -> None:
        """Nobody asks again before the venue wants to be asked: the scopes of this call, of its market when banned."""
        scopes = set(costs)
        if isinstance(error, Banned):
            for other in self._endpoints:
                if other.market == endpoint.market and not callable(other.cost):
                    scopes.update(other.cost)
        elif (part := self._errors.shuts.get(error.code or "")) is not None:
            scopes = {scope for scope in scopes if part in scope}
        seconds = error.retry_after
        if seconds is None:
            seconds = max((self._intervals.get(scope, 1.0) for scope in scopes), default=1.0)
        for scope in scopes or (None,):
            self._limiter.block(scope, seconds, error.message)

    def _malformed(self, endpoint: Endpoint[object], reason: str, answer: _Answer | None = None) -> ExchangeAPIError:
        return ExchangeAPIError(
            f"the answer of {endpoint.method} {endpoint.path} is not what the venue documents: {reason}",
            exchange=self._config.name,
            code="malformed",
            status_code=answer.status if answer else None,
            response=self._network.redact_bytes(answer.beginning) if answer else None,
        )

    def _verdict(self, endpoint: Endpoint[object], values: Mapping[str, object], error: ExchangeError) -> ExchangeError:
        """``error``; for a call that changes something and has no usable answer, that nobody knows."""
        unknown = (isinstance(error, ExchangeConnectionError) and error.sent) or error.code == "malformed"
        if endpoint.outcome_id is not None and unknown:
            return OrderOutcomeUnknown(
                f"sent, and no usable answer came: {error.message}",
                client_order_id=str(values.get(endpoint.outcome_id, "")),
                exchange=error.exchange,
                code=error.code,
                response=error.response,
                cure="ask for the order by its client order id; do not send it again",
            )
        return error

    def _require_credentials(self) -> None:
        if self._auth is None or not self._config.has_credentials:
            raise missing_credentials(self._config.name)


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:
        return None
