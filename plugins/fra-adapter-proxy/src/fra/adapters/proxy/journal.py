"""The order journal of hosts: intents in the broker, where the host that takes over finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, final
from uuid import uuid4

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError, NoKeysError
from nats.js.errors import Error as StreamError
from nats.js.kv import KeyValue

from fra.adapters.proxy import wire
from fra.adapters.proxy.lease import Lease
from fra.adapters.proxy.subjects import VERSION, Subjects
from fra.core import AccountInUse, JournalEntry, JournalError, OrderStatus

BUCKET: Final = f"fra-v{VERSION}-orders"
_OPEN: Final = (OrderStatus.PENDING, OrderStatus.UNKNOWN)


class Written(msgspec.Struct, array_like=True):
    """An entry, and which host wrote it."""

    by: str
    entry: JournalEntry


@final
class BrokerJournal:
    """A durable order journal, one for all exchanges of a host.

    It keeps what is open. An intent is safe when the broker has it on disk; once it is known what became of it, it is
    deleted. Who does not hold an account's lease neither reads nor writes.
    """

    def __init__(self, client: Client, leases: Callable[[], Mapping[str, Lease]], *, replicas: int = 1) -> None:
        """``leases`` gives the lease of each exchange by its name; ``replicas``: on how many nodes intents are kept."""
        self._replicas = replicas
        self._client = client
        self._leases = leases
        self._name = uuid4().hex
        self._bucket: KeyValue | None = None

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            stream = self._client.jetstream()
            try:
                self._bucket = await stream.key_value(BUCKET)
            except BucketNotFoundError:
                config = KeyValueConfig(bucket=BUCKET, history=1, storage=StorageType.FILE, replicas=self._replicas)
                self._bucket = await stream.create_key_value(config)
        return self._bucket

    async def record(self, entry: JournalEntry) -> None:
        """Raises JournalError when the broker does not take it, and AccountInUse without the lease."""
        try:
            if entry.status is OrderStatus.PENDING:
                self._held(entry.exchange)
            bucket = await self._open()
            key = f"{Subjects(entry.exchange).key}.{Subjects(entry.client_order_id).key}"
            if entry.status in _OPEN:
                await bucket.put(key, wire.encode(Written(self._name, entry)))
            else:
                await bucket.delete(key)
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise JournalError(
                f"the broker does not take the order journal's entry: {type(error).__name__}: {error}",
                cure="look at nats-server, and whether JetStream is on (-js)",
            ) from error

    async def has_open(self) -> bool:
        """Whether anything of an exchange that we hold is open."""
        return any([await self._entries(name) for name, lease in self._leases().items() if lease.held])

    async def claim(self, exchange: str) -> Sequence[JournalEntry]:
        """What other hosts left open of ``exchange``. Raises AccountInUse without its lease."""
        self._held(exchange)
        return [written.entry for written in await self._entries(exchange) if written.by != self._name]

    def _held(self, exchange: str) -> None:
        lease = self._leases().get(exchange)
        if lease is None or not lease.held:
            raise AccountInUse(
                f"nothing was sent: this host does not hold the lease of {exchange}",
                cure="the host that holds it trades",
            )

    async def _entries(self, exchange: str) -> list[Written]:
        try:
            bucket = await self._open()
            try:
                keys = [key for key in await bucket.keys() if key.startswith(f"{Subjects(exchange).key}.")]
            except NoKeysError:
                return []
            found = [await bucket.get(key) for key in keys]
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise JournalError(f"the order journal cannot be read from the broker: {error}") from error
        return [wire.decode(entry.value, Written) for entry in found if entry.value]
