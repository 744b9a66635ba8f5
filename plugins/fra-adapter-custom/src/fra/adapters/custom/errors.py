"""What a venue's answer means: its codes as a table, everything else by HTTP status."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import NamedTuple

import attrs

from fra.core import (
    Banned,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    NotSupported,
    PermissionDenied,
)


class Refusal(NamedTuple):
    """What a venue said instead of an answer: its code as text ("" when it gave none) and its message."""

    code: str
    message: str


@attrs.frozen
class ErrorRule:
    """What one venue code means. ``error`` is a class of fra's tree; ``cure`` one line saying what to do."""

    error: type[ExchangeError]
    cure: str | None = None


@attrs.frozen(kw_only=True)
class Failure:
    """Everything that is known of an answer that was not what was asked for.

    ``known_key``: the venue has answered a signed request of this key before.
    """

    code: str = ""
    message: str = ""
    status: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    retry_after: float | None = None
    known_key: bool = False


@attrs.frozen(kw_only=True)
class ErrorTable:
    """How one venue says no. Each exchange package has one, in its ``errors.py``.

    ``codes`` maps the venue's codes to error classes (or rules with a cure); codes that are not named go by HTTP
    status. ``read`` finds code and message in a body that is an error, None when the body is not one of the venue's.
    ``check`` looks at a decoded answer with a good status and gives the refusal that it really is, for venues with
    envelopes. ``clock_codes`` mean that our clock is off: it is read again and the call repeated once.
    ``retry_after`` reads seconds out of a failure that carries no Retry-After header. ``shuts`` is for codes that shut
    some of a call's scopes only: code → what the names of those scopes contain.
    """

    codes: Mapping[str, type[ExchangeError] | ErrorRule]
    read: Callable[[bytes], Refusal | None]
    check: Callable[[object], Refusal | None] | None = None
    clock_codes: frozenset[str] = frozenset()
    retry_after: Callable[[Failure], float | None] | None = None
    shuts: Mapping[str, str] = attrs.field(factory=dict)

    def error(self, failure: Failure, *, exchange: str) -> ExchangeError:
        """The error to raise for ``failure``."""
        rule = self.codes.get(failure.code)
        if rule is None:
            rule = _by_status(failure.status)
        if not isinstance(rule, ErrorRule):
            rule = ErrorRule(rule)
        message = failure.message or (f"HTTP {failure.status}" if failure.status else "refused without a reason")
        code = failure.code or None
        response = failure.body or None
        kind = rule.error
        if issubclass(kind, ExchangeRateLimitError):
            seconds = failure.retry_after
            if seconds is None and self.retry_after is not None:
                seconds = self.retry_after(failure)
            if seconds is not None and not isfinite(seconds):
                seconds = None  # Retry-After: inf
            return kind(message, retry_after=seconds, exchange=exchange, code=code, response=response, cure=rule.cure)
        if issubclass(kind, ExchangeAPIError):
            return kind(
                message, status_code=failure.status, exchange=exchange, code=code, response=response, cure=rule.cure
            )
        return kind(message, exchange=exchange, code=code, response=response, cure=rule.cure)


def _by_status(status: int | None) -> type[ExchangeError]:
    match status:
        case 429:
            return ExchangeRateLimitError
        case 418:
            return Banned
        case 401:
            return ExchangeAuthError
        case 403 | 451:
            return PermissionDenied
        case 407:
            return ExchangeConnectionError
        case int() if status >= 500 or status == 408:
            return ExchangeConnectionError
        case _:
            return ExchangeAPIError


@contextmanager
def before_sending() -> Iterator[None]:
    """What is asked before an order is sent: where nobody answers that, the order was not sent."""
    try:
        yield
    except ExchangeConnectionError as error:
        error.sent = False
        error.message = f"nothing was sent: {error.message}"
        error.args = (error.message,)
        raise


def is_permanent(failure: ExchangeError) -> bool:
    """Whether trying again is no cure. A bare 403 is a firewall's, which lets in again; a code is the venue's word."""
    if isinstance(failure, PermissionDenied):
        return failure.code is not None
    return isinstance(failure, ExchangeAuthError | NotSupported)
