"""SharedLimits: several processes behind one address, or on one account, within one budget of the venue.

Each says in the broker which budgets it uses, and takes an equal part of those that the venue does not count aloud.
Who comes takes its part only after the others' larger ones can have run out; who goes leaves its part to the others
when its last sign is forgotten. What the venue shuts to one (a ban above all) stops all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from hashlib import sha256
from time import time
from types import TracebackType
from typing import Final, Self, final
from uuid import uuid4

import msgspec
from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, NoKeysError
from nats.js.errors import Error as StreamError
from nats.js.kv import KeyValue

from fra.adapters.proxy import wire
from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.options import BrokerOptions
from fra.adapters.proxy.subjects import VERSION
from fra.adapters.proxy.tasks import end
from fra.core import Budget, BudgetKey, ExchangeConnectionError, Secret

MEMBERS: Final = f"fra-v{VERSION}-members"
SHUT: Final = f"fra-v{VERSION}-shut"
_FORGOTTEN_AFTER: Final = 12.0
_SIGN: Final = 3.0
_ARRIVING: Final = 0.5
_LONGEST_WAIT: Final = 10.0
"""Windows longer than this are those of venues that say with each answer how much of them is used."""
_LONGEST_SHUT: Final = 86_400.0 * 3


class Shut(msgspec.Struct, array_like=True):
    """What the venue shut, until when by our clock, and who was told."""

    until: float
    reason: str
    by: str


@final
class SharedLimits:
    """For ``PluginManager(peers=…)``: enter it first, leave it last.

    ``egress`` names the address that these processes share; each API key is an account of its own whatever it is. While
    the broker is away everybody keeps the part that they have.
    """

    def __init__(
        self,
        options: BrokerOptions,
        *,
        password: Secret | None = None,
        egress: str = "direct",
        report: Callable[[Exception], None],
    ) -> None:
        """``report`` hears what goes wrong in the background."""
        self._broker = Broker(options, password=password, name="fra limits", report=report)
        self._egress = egress
        self._report = report
        self._name = uuid4().hex
        self._budgets: dict[str, list[Budget]] = {}
        self._parts: Counter[str] = Counter()
        self._members: KeyValue | None = None
        self._shut: KeyValue | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life

    async def __aenter__(self) -> Self:
        await self._broker.connect()
        try:
            self._members = await self._bucket(MEMBERS, _FORGOTTEN_AFTER)
            self._shut = await self._bucket(SHUT, _LONGEST_SHUT)
            watched = await self._shut.watchall()
        except BaseException:
            await self._broker.close()
            raise
        self._spawn(self._keep())
        self._spawn(self._heed(watched))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end(*self._tasks)
        await self._broker.close()

    async def _bucket(self, name: str, ttl: float) -> KeyValue:
        stream = self._broker.client.jetstream()
        try:
            return await stream.key_value(name)
        except BucketNotFoundError:
            config = KeyValueConfig(bucket=name, ttl=ttl, history=1, storage=StorageType.MEMORY)
            return await stream.create_key_value(config)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the manager says

    def opened(self, key: BudgetKey, budget: Budget) -> None:
        """A budget of ours: it waits until we know of the others."""
        place = self._place(key)
        self._budgets.setdefault(place, []).append(budget)
        budget.share(self._parts[place] or 1)
        budget.block(_ARRIVING)
        self._spawn(self._join(place))

    def shut(self, key: BudgetKey, seconds: float, reason: str) -> None:
        """Tell the others; our own is shut already."""
        self._spawn(self._tell(self._place(key), Shut(time() + seconds, reason, self._name)))

    def _place(self, key: BudgetKey) -> str:
        place = self._egress if key.place == "direct" else key.place
        return ".".join(sha256(part.encode()).hexdigest()[:16] for part in (key.venue, key.scope, place))

    # --- what the others say

    async def _join(self, place: str) -> None:
        await self._sign([place])
        others = await self._count()
        if others[place] > 1:
            # They learn of us with their next look; what they took until then counts for a window yet.
            for budget in self._budgets[place]:
                if budget.whole.interval <= _LONGEST_WAIT:
                    budget.block(_SIGN + budget.whole.interval)
        self._part(others)
        await self._look(place)

    async def _look(self, place: str) -> None:
        """What was shut before we came."""
        assert self._shut is not None
        try:
            self._obey(await self._shut.get(place))
        except KeyNotFoundError:
            return
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            self._away(error)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_SIGN)
            await self._sign(list(self._budgets))
            self._part(await self._count())

    async def _sign(self, places: list[str]) -> None:
        assert self._members is not None
        try:
            for place in places:
                await self._members.put(f"{place}.{self._name}", b"")
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            self._away(error)

    async def _count(self) -> Counter[str]:
        """How many use each budget, ourselves included."""
        assert self._members is not None
        try:
            keys = await self._members.keys()
        except NoKeysError:
            return Counter()
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            self._away(error)
            return Counter(self._parts)
        return Counter(key.rpartition(".")[0] for key in keys)

    def _part(self, counted: Counter[str]) -> None:
        for place, budgets in self._budgets.items():
            parts = max(counted[place], 1)
            if parts != self._parts[place]:
                self._parts[place] = parts
                for budget in budgets:
                    budget.share(parts)

    async def _tell(self, place: str, shut: Shut) -> None:
        assert self._shut is not None
        try:
            await self._shut.put(place, wire.encode(shut))
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            self._away(error)

    async def _heed(self, watched: KeyValue.KeyWatcher) -> None:
        async for entry in watched:
            if entry is not None:
                self._obey(entry)

    def _obey(self, entry: KeyValue.Entry) -> None:
        if not entry.value:
            return
        shut = wire.decode(entry.value, Shut)
        left = shut.until - time()
        if left > 0 and shut.by != self._name:
            for budget in self._budgets.get(entry.key, ()):
                budget.block(left)

    def _away(self, error: Exception) -> None:
        why = f"the broker of the shared limits failed: {type(error).__name__}: {error}"
        self._report(ExchangeConnectionError(why))
