"""Whose money a command would move: a live account's, or one that only plays."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from fra.core import ExchangeConfig, ExchangeHandle, ExchangeMetadata

_LOOPBACK: Final = ("localhost", "::1")


class AccountKind(enum.Enum):
    """LIVE moves real money; the others cannot."""

    LIVE = "live"
    SANDBOX = "sandbox"
    EMULATED = "emulated"
    SIMULATED = "simulated"


@attrs.frozen
class Account:
    """One configured instance and what kind of account it is."""

    name: str
    exchange_id: str
    kind: AccountKind

    @property
    def live(self) -> bool:
        return self.kind is AccountKind.LIVE

    def __str__(self) -> str:
        return f"{self.name} ({self.kind.value.upper() if self.live else self.kind.value})"


def account_of(handle: ExchangeHandle, config: ExchangeConfig) -> Account:
    """The account behind a handle. What is not known for certain to be play is live."""
    return Account(handle.name, config.exchange_id, kind_of(config, handle.metadata))


def kind_of(config: ExchangeConfig, metadata: ExchangeMetadata) -> AccountKind:
    """LIVE, unless the plugin simulates, ``sandbox`` is set, or every URL in ``base_url`` stays on this machine.

    Only an adapter that talks to the venue itself is judged by its URLs: a proxy on this machine may trade anywhere.
    """
    from fra.core import PluginType

    if metadata.plugin_type is PluginType.SIMULATED:
        return AccountKind.SIMULATED
    if config.sandbox:
        return AccountKind.SANDBOX
    urls = tuple(_urls(config.base_url))
    direct = metadata.plugin_type in (PluginType.CUSTOM, PluginType.CCXT)
    if direct and urls and all(map(_stays_here, urls)):
        return AccountKind.EMULATED
    return AccountKind.LIVE


def _urls(base_url: str | Mapping[str, Mapping[str, str]] | None) -> Iterator[str]:
    if isinstance(base_url, str):
        yield base_url
    elif base_url is not None:
        for kinds in base_url.values():
            yield from kinds.values()


def _stays_here(url: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host in _LOOPBACK:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
