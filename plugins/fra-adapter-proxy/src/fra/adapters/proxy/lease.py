"""One host at a time for an account: a key of the broker that lives only as long as it is renewed.

The holder counts on its own monotonic clock, from before it asked: its lease ends for itself no later than for the
broker, also when the process was stopped and goes on later. Whoever finds the key gone may take it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final, final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from fra.adapters.proxy.subjects import VERSION
from fra.core import ConfigError, ExchangeConnectionError

BUCKET: Final = f"fra-v{VERSION}-leases"
_SHARE: Final = 3
"""Renewed three times within its length."""
_NEVER: Final = float("-inf")


class LeaseLost(ExchangeConnectionError):
    """The lease has run out: another host may hold the account now. Nothing was sent."""

    def __init__(self) -> None:
        super().__init__("nothing was sent: this host's lease has run out", sent=False)


async def lease_bucket(client: Client, seconds: float, *, replicas: int = 1) -> KeyValue:
    """The bucket of all leases, on so many nodes where it is made now.

    Raises ConfigError when it was made for leases of another length.
    """
    stream = client.jetstream()
    try:
        bucket = await stream.key_value(BUCKET)
    except BucketNotFoundError:
        # On disk: a broker that restarts must not forget who holds what.
        config = KeyValueConfig(bucket=BUCKET, ttl=seconds, history=1, storage=StorageType.FILE, replicas=replicas)
        bucket = await stream.create_key_value(config)
    length = (await bucket.status()).ttl
    if length is None or abs(length - seconds) > 0.001:
        raise ConfigError(
            f"the broker's leases last {length:g} s, not {seconds:g} s" if length else "the broker's leases never end",
            cure=f"--lease {length:g}" if length else f"nats kv del {BUCKET}",
        )
    return bucket


@final
class Lease:
    """The lease of ``key``. ``margin`` is how many seconds of it must be left for an order to be sent."""

    def __init__(
        self,
        bucket: KeyValue,
        key: str,
        holder: str,
        *,
        seconds: float,
        margin: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if not 0 < margin < seconds:
            raise ConfigError(f"a lease of {seconds:g} s leaves no margin of {margin:g} s", cure="a longer --lease")
        self._bucket = bucket
        self._key = key
        self._holder = holder.encode()
        self._seconds = seconds
        self._margin = margin
        self._clock = clock
        self._revision = 0
        self._until = _NEVER

    @property
    def remaining(self) -> float:
        """Seconds for which it is certainly ours; zero or less when it may be another's."""
        return self._until - self._clock()

    @property
    def held(self) -> bool:
        return self.remaining > 0

    def check(self) -> None:
        """Raises LeaseLost without it, ExchangeConnectionError when too little of it is left to send an order."""
        remaining = self.remaining
        if remaining <= 0:
            raise LeaseLost()
        if remaining < self._margin:
            raise ExchangeConnectionError("nothing was sent: this host's lease is about to run out", sent=False)

    async def acquire(self) -> None:
        """Wait until it is ours. The broker being away is waited for as well."""
        while not await self._try():  # noqa: ASYNC110 - the broker tells nobody that a key has run out
            await asyncio.sleep(self._seconds / _SHARE / 2)

    async def _try(self) -> bool:
        asked = self._clock()
        try:
            async with asyncio.timeout(self._seconds / _SHARE):
                self._revision = await self._bucket.create(self._key, self._holder)
        except KeyWrongLastSequenceError:
            return await self._mine(asked)
        except (NatsError, OSError, TimeoutError):
            return False
        self._until = asked + self._seconds
        return True

    async def _mine(self, asked: float) -> bool:
        """Whether the key is ours all the same: then an answer of the broker was lost, and it is renewed."""
        try:
            async with asyncio.timeout(self._seconds / _SHARE):
                entry = await self._bucket.get(self._key)
                if entry.value != self._holder or entry.revision is None:
                    return False
                self._revision = await self._bucket.update(self._key, self._holder, last=entry.revision)
        except (KeyNotFoundError, KeyWrongLastSequenceError, NatsError, OSError, TimeoutError):
            return False
        self._until = asked + self._seconds
        return True

    async def keep(self) -> None:
        """Renew it until it is lost."""
        while self.held:
            await asyncio.sleep(self._seconds / _SHARE)
            asked = self._clock()
            if asked >= self._until:
                break
            try:
                async with asyncio.timeout(self._seconds / _SHARE):
                    self._revision = await self._bucket.update(self._key, self._holder, last=self._revision)
            except KeyWrongLastSequenceError:
                if not await self._mine(asked):
                    break
            except (NatsError, OSError, TimeoutError):
                continue  # it is ours for as long as it lasts
            else:
                self._until = asked + self._seconds
        self._until = _NEVER

    async def release(self) -> None:
        """Let another have it at once. Idempotent."""
        if not self.held:
            return
        self._until = _NEVER
        try:
            async with asyncio.timeout(self._seconds / _SHARE):
                await self._bucket.delete(self._key, last=self._revision)
        except (NatsError, OSError, TimeoutError):
            pass  # it runs out by itself
