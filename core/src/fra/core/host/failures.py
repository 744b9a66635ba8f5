"""What leaves an adapter as an error: of fra's tree, with the exchange's name, and without a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fra.core.contract.config import Secret
from fra.core.contract.errors import (
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    FraError,
    NotSupported,
    SymbolNotFound,
)

PERMANENT: Final = (NotSupported, SymbolNotFound, ExchangeAuthError)
"""What trying again does not cure: a stream that raises one of these has failed for good."""


class Failures:
    """Completes the errors of one exchange."""

    __slots__ = ("_exchange", "_secrets")

    def __init__(self, exchange: str, secrets: Iterable[Secret] = ()) -> None:
        self._exchange = exchange
        self._secrets = tuple(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Mask these too, from now on."""
        self._secrets = tuple(dict.fromkeys((*self._secrets, *secrets)))

    def complete(self, error: Exception, where: str) -> FraError:
        """``error`` itself if it is one of fra's, else one that says that ``where`` failed, caused by it.

        Network and time-out errors become ExchangeConnectionError, all others (mistakes of the adapter) ExchangeError.
        """
        if isinstance(error, FraError):
            if isinstance(error, ExchangeError):
                if error.exchange is None:
                    error.exchange = self._exchange
                if error.response is not None:
                    error.response = self.redact(error.response)
            self._scrub(error)
            return error
        text = self.redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        failure: ExchangeError
        if isinstance(error, OSError | EOFError):  # TimeoutError is an OSError
            failure = ExchangeConnectionError(f"{where} got no answer: {text}", exchange=self._exchange)
        else:
            failure = ExchangeError(
                f"{where} failed inside the adapter: {text}",
                exchange=self._exchange,
                cure="report it to the adapter's author",
            )
        if self.redact(repr(error)) == repr(error):
            failure.__cause__ = error
        failure.__suppress_context__ = True
        return failure

    def of_exchange(self, error: Exception, where: str) -> ExchangeError:
        """:meth:`complete`, for places that only take an ExchangeError."""
        failure = self.complete(error, where)
        if isinstance(failure, ExchangeError):
            return failure
        wrapped = ExchangeError(failure.message, exchange=self._exchange, cure=failure.cure)
        wrapped.__cause__ = failure
        return wrapped

    def redact(self, text: str) -> str:
        """``text`` with every secret of this exchange masked."""
        for secret in self._secrets:
            text = secret.redact(text)
        return text

    def _scrub(self, error: FraError) -> None:
        clean = self.redact(error.message)
        if clean != error.message:
            error.message = clean
            error.args = (clean,)
        if error.cure is not None:
            error.cure = self.redact(error.cure)
        cause = error.__cause__ or error.__context__
        if cause is not None and self.redact(repr(cause)) != repr(cause):
            error.__cause__ = None
            error.__suppress_context__ = True
            error.__context__ = None
