"""One connection to the broker: it comes back by itself, and says what became of each question.

A question that nobody listens to, or that is asked while the connection is down, was certainly not sent. One that is
answered too late may have been heard: whoever sent an order then knows nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from importlib.util import find_spec
from typing import Final, Protocol, TypeVar, final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import AuthorizationError, NoRespondersError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError

from fra.adapters.proxy.options import BrokerOptions
from fra.adapters.proxy.tasks import end
from fra.core import ConfigError, ExchangeAuthError, ExchangeConnectionError, PermissionDenied, Secret

T = TypeVar("T")
Handler = Callable[[Msg], Awaitable[None]]

_DENIED: Final = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]+)\"", re.IGNORECASE)
_REFUSED: Final = ("authorization", "authentication", "nkey", "user credentials")
_PENDING_MESSAGES: Final = 4096
_PENDING_BYTES: Final = 16 * 1024 * 1024
_PING: Final = 5
"""Seconds between pings; two that are not answered mean that the connection is dead."""


class Listener(Protocol):
    """Who hears that the connection went away and came back."""

    def broker_changed(self, connected: bool) -> None: ...


@final
class Broker:
    """A connection to NATS. Belongs to one event loop."""

    def __init__(
        self,
        options: BrokerOptions,
        *,
        password: Secret | None = None,
        name: str,
        timeout: float = 10.0,
        report: Callable[[Exception], None],
    ) -> None:
        """``report`` hears what failed in the background: a handler, a message that was too much."""
        self._options = options
        self._password = password
        self._name = name
        self._timeout = timeout
        self._report = report
        self._listeners: list[Listener] = []
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._hopeless: asyncio.Future[None] | None = None
        self._latest: Exception | None = None
        self.client = Client()

    @property
    def connected(self) -> bool:
        return bool(self.client.is_connected)

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def remove_listener(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    # --- life

    async def connect(self) -> None:
        """Raises ExchangeConnectionError, ExchangeAuthError, and ConfigError for files that cannot be used."""
        options = self._options
        for path in (options.nkey, options.creds):
            if path is not None and not path.is_file():
                raise ConfigError(f"there is no file {path}", path="options")
        if (options.nkey or options.creds) and find_spec("nkeys") is None:
            raise ConfigError(
                "nkeys and credentials files need the package nkeys", cure="pip install 'fra-adapter-proxy[nkeys]'"
            )
        arguments: dict[str, object] = {}
        if options.user is not None:
            arguments["user"] = options.user
            arguments["password"] = self._password.reveal() if self._password is not None else ""
        if options.nkey is not None:
            arguments["nkeys_seed"] = str(options.nkey)
        if options.creds is not None:
            arguments["user_credentials"] = str(options.creds)
        context = options.tls()
        if context is not None:
            arguments["tls"] = context
        servers = ", ".join(options.servers)
        hopeless: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hopeless = hopeless
        connecting = asyncio.create_task(
            self.client.connect(
                servers=list(options.servers),
                name=self._name,
                connect_timeout=max(1, int(self._timeout)),
                reconnect_time_wait=1,
                max_reconnect_attempts=-1,
                allow_reconnect=True,
                ping_interval=_PING,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
                **arguments,  # type: ignore[arg-type]  # the ways to log in
            )
        )
        try:
            async with asyncio.timeout(self._timeout):
                # The client tries for ever; what no further attempt can cure is told to its error callback.
                await asyncio.wait((connecting, hopeless), return_when=asyncio.FIRST_COMPLETED)
                if hopeless.done():
                    hopeless.result()
                await connecting
        except (NatsError, OSError, TimeoutError) as error:
            why = str(error) or (str(self._latest) if self._latest else "no answer")
            if isinstance(error, AuthorizationError) or any(word in why.lower() for word in _REFUSED):
                raise ExchangeAuthError(f"the broker at {servers} refuses us: {why}") from error
            raise ExchangeConnectionError(
                f"no broker answers at {servers}: {why}", sent=False, cure="start nats-server, or set options.servers"
            ) from error
        finally:
            self._hopeless = None
            if not self.connected:
                await end(connecting)
                await self._abandon()

    async def _abandon(self) -> None:
        try:
            await self.client.close()
        except Exception as error:
            self._report(error)

    async def close(self) -> None:
        """Idempotent."""
        self._listeners.clear()
        if not self.client.is_closed:
            await self._abandon()

    async def _on_disconnected(self) -> None:
        for listener in tuple(self._listeners):
            listener.broker_changed(False)

    async def _on_reconnected(self) -> None:
        for listener in tuple(self._listeners):
            listener.broker_changed(True)

    async def _on_error(self, error: Exception) -> None:
        hopeless = self._hopeless
        if hopeless is not None:
            self._latest = error
            text = str(error).lower()
            if not hopeless.done() and (isinstance(error, ssl.SSLError) or any(word in text for word in _REFUSED)):
                hopeless.set_exception(error)
            return
        denied = _DENIED.search(str(error))
        if denied is None:
            if not isinstance(error, OSError):
                self._report(error)
            return
        for subject, futures in self._waiting.items():
            if denied[2].lower().startswith(subject.lower()):  # nats-py tells it in small letters
                for future in futures:
                    if not future.done():
                        future.set_result(None)

    # --- messages

    async def publish(self, subject: str, data: bytes) -> None:
        """Raises ExchangeConnectionError while there is no connection: nothing is kept to be sent later."""
        if not self.connected:
            raise ExchangeConnectionError("the broker is not connected", sent=False)
        try:
            await self.client.publish(subject, data)
        except (NatsError, OSError) as error:
            raise ExchangeConnectionError(f"the broker failed: {type(error).__name__}") from error

    async def flush(self) -> None:
        """Return when the broker has taken in all that was said to it. Raises ExchangeConnectionError."""
        try:
            await self.client.flush(timeout=max(1, int(self._timeout)))
        except (NatsError, OSError, TimeoutError) as error:
            raise ExchangeConnectionError(f"the broker failed: {type(error).__name__}") from error

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Idempotent; with a connection that has gone, the subscription has gone too."""
        try:
            if not self.client.is_closed:
                await subscription.unsubscribe()
        except (NatsError, OSError):
            pass

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Await ``handler`` for each message. One that lags behind loses messages, and others lose none."""
        return await self.client.subscribe(
            subject, cb=handler, pending_msgs_limit=_PENDING_MESSAGES, pending_bytes_limit=_PENDING_BYTES
        )

    async def request(self, subject: str, data: bytes, *, timeout: float, what: str) -> bytes:
        """The answer to ``data``.

        Raises ExchangeConnectionError, whose ``sent`` is False when nobody can have heard it, and PermissionDenied
        when the broker does not let us ask.
        """
        if not self.connected:
            raise ExchangeConnectionError(f"{what} was not sent: the broker is not connected", sent=False)
        try:
            message = await self.permitted(self.client.request(subject, data, timeout=timeout), subject, what=what)
        except NoRespondersError as error:
            raise ExchangeConnectionError(f"{what} was not sent: no host serves it now", sent=False) from error
        except (NatsTimeoutError, TimeoutError) as error:
            raise ExchangeConnectionError(f"{what} was not answered within {timeout:g} s") from error
        except (NatsError, OSError) as error:
            raise ExchangeConnectionError(f"{what} got no answer: {type(error).__name__}") from error
        return bytes(message.data)

    async def permitted(self, asking: Coroutine[None, None, T], subject: str, *, what: str) -> T:
        """What ``asking`` comes to. Raises PermissionDenied when the broker refuses what we say to ``subject``….

        The broker tells it beside the question, which nobody then answers.
        """
        denied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, set()).add(denied)
        task = asyncio.ensure_future(asking)
        try:
            await asyncio.wait((task, denied), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise PermissionDenied(f"the broker does not let us ask for {what}", code="permissions")
            return task.result()
        finally:
            task.cancel()
            waiting = self._waiting[subject]
            waiting.discard(denied)
            if not waiting:
                del self._waiting[subject]
