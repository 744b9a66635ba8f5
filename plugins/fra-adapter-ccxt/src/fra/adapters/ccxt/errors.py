"""ccxt's exceptions as fra's errors. The venue's code and raw answer are kept; what was sent is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Final

from fra.core import (
    Banned,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFound,
    PermissionDenied,
    SymbolNotFound,
)


class Unchanged(ExchangeAPIError):
    """The venue says that a setting is so already."""


TREE: Final[Mapping[str, type[ExchangeError]]] = {
    "PermissionDenied": PermissionDenied,
    "RestrictedLocation": PermissionDenied,
    "AuthenticationError": ExchangeAuthError,
    "InvalidNonce": ExchangeAuthError,
    "ArgumentsRequired": NotSupported,
    "NotSupported": NotSupported,
    "BadSymbol": SymbolNotFound,
    "NoChange": Unchanged,
    "InsufficientFunds": InsufficientFunds,
    "OrderNotFound": OrderNotFound,
    "OrderNotCached": OrderNotFound,
    "DuplicateOrderId": DuplicateOrder,
    "InvalidOrder": InvalidOrder,
    "RateLimitExceeded": ExchangeRateLimitError,
    "DDoSProtection": ExchangeRateLimitError,
    "ChecksumError": ExchangeConnectionError,
    "NetworkError": ExchangeConnectionError,
    "CancelPending": ExchangeAPIError,
    "BadResponse": ExchangeConnectionError,
    "OperationFailed": ExchangeConnectionError,
    "ExchangeClosedByUser": ExchangeConnectionError,
    "UnsubscribeError": ExchangeConnectionError,
    "BaseError": ExchangeAPIError,
}
"""ccxt's class → ours; the first of an exception's classes that stands here decides."""

MALFORMED: Final = "malformed"
"""The code of an answer that is not what a venue documents, as everywhere in fra."""

CODES: Final = ("code", "retCode", "ret_code", "sCode", "err_code", "err-code", "errorCode", "label", "error_code")
MESSAGES: Final = ("msg", "retMsg", "ret_msg", "sMsg", "err_msg", "err-msg", "message", "error")
_FINE: Final = frozenset({"0", "00000", "200", "200000", "ok", "success", ""})
_NESTED: Final = ("data", "result", "error", "errors")
_QUERY: Final = re.compile(r"(?<=\S)\?\S*=\S*")
_TEAPOT: Final = 418
_TOO_MANY: Final = 429
_CLIENT_ERRORS: Final = range(400, 500)
_TIMED_OUT: Final = 408

CodeOf = Callable[[object], str | None]
Words = tuple[str, str, type[ExchangeError]]
"""A code that stands for several things ("" for none), a part of its text in small letters, and what it is then."""


def code_in(answer: object) -> str | None:
    """The venue's own code in a decoded answer, the innermost that is no word for success; None without one."""
    return _find(answer, CODES)


def message_in(answer: object) -> str | None:
    """The venue's own words in a decoded answer."""
    return _find(answer, MESSAGES)


def _find(answer: object, names: tuple[str, ...]) -> str | None:
    if isinstance(answer, list):
        return next((found for row in answer if (found := _find(row, names))), None)
    if not isinstance(answer, dict):
        return None
    for name in _NESTED:
        inner = answer.get(name)
        if isinstance(inner, dict | list) and (found := _find(inner, names)):
            return found
    for name in names:
        value = answer.get(name)
        if isinstance(value, str | int) and str(value).lower() not in _FINE:
            return str(value)
    return None


def is_ccxt(error: BaseException) -> bool:
    """Whether ccxt raised it on purpose."""
    return any(cls.__name__ == "BaseError" for cls in type(error).__mro__)


def is_clock(error: BaseException) -> bool:
    """Whether the venue refused the time of a request."""
    return type(error).__name__ == "InvalidNonce"


def refusal_code(error: BaseException, code_of: CodeOf = code_in) -> str | None:
    """The venue's own code in what it answered, None where ccxt raised nothing on purpose."""
    return code_of(_decoded(_text_of(error))) if is_ccxt(error) else None


def fra_error(
    error: Exception,
    *,
    exchange: str,
    code_of: CodeOf = code_in,
    what: str = "",
    codes: Mapping[str, type[ExchangeError]] | None = None,
    words: Iterable[Words] = (),
) -> ExchangeError:
    """The error of our tree for one that ccxt raised, or that came up inside ccxt. ``codes`` stand above ccxt's class,
    and ``words`` above them.

    A mistake inside ccxt, over an answer that it cannot read, is an ExchangeError that names it: after an order
    was sent that leaves open what became of it.
    """
    if isinstance(error, ExchangeError):
        if error.exchange is None:
            error.exchange = exchange
        return error
    if isinstance(error, OSError | EOFError):
        return ExchangeConnectionError(f"{what} got no answer: {_clean(error)}", exchange=exchange)
    if not is_ccxt(error):
        return ExchangeError(
            f"ccxt failed over {what or 'an answer'}: {type(error).__name__}: {_clean(error)}",
            exchange=exchange,
            cure="report it to ccxt with the method's name",
        )
    cls = next(TREE[base.__name__] for base in type(error).__mro__ if base.__name__ in TREE)
    status, headers, _ = getattr(error, "fra_answer", (None, {}, None))
    text = _text_of(error)
    answer = _decoded(text)
    if cls is ExchangeConnectionError and isinstance(status, int) and _plain_refusal(status):
        cls = ExchangeAPIError
    elif cls is ExchangeAPIError and status is None and error.__cause__ is not None:
        cls = ExchangeConnectionError  # the connection broke in the middle of the answer
    if status == _TEAPOT:
        cls = Banned
    elif status == _TOO_MANY and not issubclass(cls, ExchangeRateLimitError):
        cls = ExchangeRateLimitError
    code = code_of(answer)
    cls = (codes or {}).get(code or "", cls)
    message = message_in(answer) or _because(error)
    cls = next((kind for of, part, kind in words if of == (code or "") and part in message.lower()), cls)
    fields: dict[str, Any] = {"exchange": exchange, "code": code, "response": text}
    if issubclass(cls, ExchangeAPIError):
        fields["status_code"] = status
    if issubclass(cls, ExchangeRateLimitError):
        fields["retry_after"] = _retry_after(headers)
    return cls(f"{what}: {message}" if what else message, **fields)


def _plain_refusal(status: int) -> bool:
    return status in _CLIENT_ERRORS and status not in (_TIMED_OUT, _TOO_MANY, _TEAPOT)


def _text_of(error: BaseException) -> str | None:
    body = getattr(error, "fra_answer", (None, {}, None))[2]
    return body if isinstance(body, str) else _answer_in(error)


def _answer_in(error: BaseException) -> str | None:
    """Streams raise errors with the venue's frame in the text."""
    text = str(error)
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    return text[start:] if start >= 0 else None


def _decoded(text: str | None) -> object:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _retry_after(headers: object) -> float | None:
    if not isinstance(headers, Mapping):
        return None
    for name, value in headers.items():
        if str(name).lower() == "retry-after":
            try:
                seconds = max(0.0, float(value))
            except ValueError:
                return None
            return seconds if isfinite(seconds) else None
    return None


def _because(error: Exception) -> str:
    """The text, and the reason where ccxt names only what it asked for. Other texts than a connection's may hold a URL
    with a password in it.
    """
    text, cause = _clean(error), error.__cause__
    if cause is None:
        return text
    why = _clean(cause) if isinstance(cause, OSError) else type(cause).__name__
    return text if why in text else f"{text}: {why}"


def _clean(error: Exception) -> str:
    """The text without the query of a URL, where keys and signatures are."""
    return _QUERY.sub("", str(error)) or type(error).__name__
