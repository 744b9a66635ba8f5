"""Journals: which journal the orders of which account are written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlsplit

from fra.core.contract.capabilities import ExchangeMetadata, PluginType
from fra.core.contract.config import ExchangeConfig
from fra.core.host.context import account_of
from fra.core.host.journal.journal import MemoryJournal, OrderJournal

if TYPE_CHECKING:
    from fra.core.host.journal.sqlite import SqliteJournal

_LOCAL: Final = ("localhost", "::1")


@final
class Journals:
    """The journals of one manager, one for each account, however many instances trade on it.

    With a ``folder``, an account with credentials has a file in it: those are the ones that a crash must not take
    along. Accounts that need none, as in a simulation, end with the process anyhow. A ``given`` journal is everybody's,
    and stays open.
    """

    def __init__(self, folder: Path | None = None, *, given: OrderJournal | None = None) -> None:
        self._folder = folder
        self._given = given
        self._files: dict[Path, SqliteJournal] = {}
        self._users: dict[str, OrderJournal] = {}

    def of(self, config: ExchangeConfig, metadata: ExchangeMetadata) -> OrderJournal:
        """The journal for the orders of this instance, until :meth:`release`. Touches no file."""
        journal = self._users[config.name] = self._choose(config, metadata)
        return journal

    def _choose(self, config: ExchangeConfig, metadata: ExchangeMetadata) -> OrderJournal:
        if self._given is not None:
            return self._given
        if self._folder is None or not config.has_credentials or not metadata.account_needs_credentials:
            before = self._users.get(config.name)
            return before if isinstance(before, MemoryJournal) else MemoryJournal()
        from fra.core.host.journal.sqlite import SqliteJournal  # who sends no orders need not wait for SQLite

        path = self._folder / f"{account_name(config, metadata)}.sqlite"
        if path not in self._files:
            self._files[path] = SqliteJournal(path, one_account=True)
        return self._files[path]

    async def release(self, name: str) -> None:
        """The instance has ended; files that no other uses are closed. Idempotent."""
        self._users.pop(name, None)
        used = self._users.values()
        for path in [path for path, file in self._files.items() if not any(user is file for user in used)]:
            await self._files.pop(path).close()

    async def close(self) -> None:
        """Close every file."""
        self._users.clear()
        while self._files:
            _, file = self._files.popitem()
            await file.close()


def account_name(config: ExchangeConfig, metadata: ExchangeMetadata) -> str:
    """What an account's file is called: the venue and a hash of its key; a test network and a local server are apart.

    The adapters of one venue differ in what follows its name: ``okx`` and ``okx_ccxt`` trade on one account. An adapter
    that is for many venues has the venue from ``exchange_id``.
    """
    name = metadata.name
    if metadata.plugin_type is PluginType.CCXT and "_" not in name:
        name = config.exchange_id
    parts = [name.partition("_")[0], account_of(config)]
    if config.sandbox:
        parts.append("sandbox")
    hosts = sorted({urlsplit(url).netloc for url in _urls(config.base_url)})
    if hosts and all(map(_is_local, hosts)):
        from hashlib import sha256

        parts.append(f"local-{sha256(' '.join(hosts).encode()).hexdigest()[:8]}")
    return "-".join(parts)


def _urls(base_url: str | Mapping[str, Mapping[str, str]] | None) -> Iterator[str]:
    if isinstance(base_url, str):
        yield base_url
    elif base_url is not None:
        for kinds in base_url.values():
            yield from kinds.values()


def _is_local(netloc: str) -> bool:
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        return host in _LOCAL or ip_address(host).is_loopback
    except ValueError:
        return False
