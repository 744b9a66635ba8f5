"""Every error that fra raises: a shallow tree, named by what the caller does next.

An error carries the venue's own code and raw answer where there was one, and a ``cure``: one line saying what to
do. No error ever carries a secret: adapters put the venue's *answer* in, never the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_RESPONSE_LIMIT: Final = 2_000


class FraError(Exception):
    """Base of everything that fra raises on purpose.

    ``str(error)`` is one line: what happened, why and, after an arrow, what to do.
    """

    def __init__(self, message: str, *, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} → {self.cure}" if self.cure else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive BaseException's own pickling.
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(cls: type[FraError], state: dict[str, object]) -> FraError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


# --- exchanges -------------------------------------------------------------------------------------------------


class ExchangeError(FraError):
    """Anything that went wrong between fra and one exchange.

    ``exchange`` is the configured instance name, ``code`` the venue's own code as text, ``response`` its raw answer
    (cut to 2,000 characters).
    """

    def __init__(
        self,
        message: str,
        *,
        exchange: str | None = None,
        code: str | int | None = None,
        response: str | bytes | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, cure=cure)
        self.exchange = exchange
        self.code = None if code is None else str(code)
        self.response = _clip(response)

    def __str__(self) -> str:
        text = super().__str__()
        if self.code is not None and self.code not in text:
            text = f"{text} [{self.code}]"
        return f"{self.exchange}: {text}" if self.exchange else text


class ExchangeAPIError(ExchangeError):
    """The venue answered, and the answer is a refusal or is not what its documents promise.

    ``status_code`` is the HTTP status, None for a WebSocket answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        response: str | bytes | None = None,
        exchange: str | None = None,
        code: str | int | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange, code=code, response=response, cure=cure)
        self.status_code = status_code


class ExchangeConnectionError(ExchangeError):
    """No usable answer came: DNS, TLS, time-out, reset, silence. A read may be repeated; an order may not.

    ``sent`` is False where it is certain that the venue got nothing: no connection was made.
    """

    def __init__(
        self,
        message: str,
        *,
        sent: bool = True,
        exchange: str | None = None,
        code: str | int | None = None,
        response: str | bytes | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange, code=code, response=response, cure=cure)
        self.sent = sent


class ExchangeAuthError(ExchangeError):
    """The venue does not accept these credentials, or none were configured."""


class PermissionDenied(ExchangeAuthError):
    """The credentials are good, but this key may not do this (rights, IP binding, region)."""


class ExchangeRateLimitError(ExchangeError):
    """The venue's rate limit is used up; ``retry_after`` is in seconds, None when the venue does not say."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        exchange: str | None = None,
        code: str | int | None = None,
        response: str | bytes | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange, code=code, response=response, cure=cure)
        self.retry_after = retry_after


class Banned(ExchangeRateLimitError):
    """The venue has shut this address or key out until ``retry_after`` seconds have passed."""


class NotSupported(ExchangeError):
    """The venue, or this adapter, cannot do this for this market kind. Raised before any request is sent."""


class SymbolNotFound(ExchangeError):
    """The venue lists no such symbol, or only in a market kind that is not configured."""


class InvalidOrder(ExchangeAPIError):
    """The order breaks a rule of the venue or the symbol; the message names the nearest valid values."""


class InsufficientFunds(ExchangeAPIError):
    """The account cannot pay for this order."""


class OrderNotFound(ExchangeAPIError):
    """The venue knows no such order *now*: right after sending this is no proof that it never arrived."""


class DuplicateOrder(ExchangeAPIError):
    """The client order id has been used before: the earlier order stands."""


class OrderOutcomeUnknown(ExchangeError):
    """The order was sent and nobody knows yet whether it lives. It is asked for, never sent again.

    ``client_order_id`` identifies it in every later question.
    """

    def __init__(
        self,
        message: str,
        *,
        client_order_id: str,
        exchange: str | None = None,
        code: str | int | None = None,
        response: str | bytes | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange, code=code, response=response, cure=cure)
        self.client_order_id = client_order_id


class OrderVetoed(ExchangeError):
    """A ``veto_order`` hook said no, failed, or ran out of time; nothing was sent. ``hook`` names it."""

    def __init__(self, message: str, *, hook: str, exchange: str | None = None, cure: str | None = None) -> None:
        super().__init__(message, exchange=exchange, cure=cure)
        self.hook = hook


class StreamGap(ExchangeError):
    """Items of a lossless stream are missing between ``start`` and ``end``; iterating goes on after it.

    ``start`` and ``end`` are the venue's own sequence or trade ids, or timestamps in ms, as the stream has them;
    None where not even that is known.
    """

    def __init__(
        self, message: str, *, start: int | None = None, end: int | None = None, exchange: str | None = None
    ) -> None:
        super().__init__(message, exchange=exchange)
        self.start = start
        self.end = end


# --- plugins and configuration -----------------------------------------------------------------------------------


class PluginError(FraError):
    """Something about an installed (or missing) plugin; ``plugin`` is its entry-point name."""

    def __init__(self, message: str, *, plugin: str, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)
        self.plugin = plugin


class PluginNotFound(PluginError):
    """Nothing installed answers to this name."""


class PluginConflict(PluginError):
    """Several distributions claim this name, or several variants could be meant; ``candidates`` lists them."""

    def __init__(self, message: str, *, plugin: str, candidates: Sequence[str] = (), cure: str | None = None) -> None:
        super().__init__(message, plugin=plugin, cure=cure)
        self.candidates = tuple(candidates)


class PluginIncompatible(PluginError):
    """The plugin was made for another version of fra-core; it was not imported."""


class PluginBroken(PluginError):
    """The plugin is installed but cannot be imported, or is no exchange plugin."""


class PluginBlocked(PluginError):
    """The configuration's allow-list does not name this plugin's distribution; it was not imported."""


class ConfigError(FraError):
    """The configuration is wrong; ``path`` is the dotted key and ``source`` the file it stands in."""

    def __init__(
        self, message: str, *, path: str | None = None, source: str | None = None, cure: str | None = None
    ) -> None:
        super().__init__(message, cure=cure)
        self.path = path
        self.source = source


# --- the order journal -------------------------------------------------------------------------------------------


class JournalError(FraError):
    """The order journal cannot be read or written, and so nothing is sent; ``path`` is its file, where it has one."""

    def __init__(self, message: str, *, path: str | None = None, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)
        self.path = path


class AccountInUse(JournalError):
    """Another process sends the orders of this account; ``pid`` is that process, None where it did not say."""

    def __init__(
        self, message: str, *, pid: int | None = None, path: str | None = None, cure: str | None = None
    ) -> None:
        super().__init__(message, path=path, cure=cure)
        self.pid = pid


def _clip(response: str | bytes | None) -> str | None:
    if response is None:
        return None
    text = response[:_RESPONSE_LIMIT].decode("utf-8", "replace") if isinstance(response, bytes) else response
    return text[:_RESPONSE_LIMIT]
