"""One configured exchange, and secrets that never show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn, final

import attrs

from fra.core.contract.errors import ConfigError

_MASK: Final = "********"


@final
class Secret:
    """A value that is used and never shown: ``repr``, ``str``, ``format`` give a mask, and it refuses to be pickled.

    :meth:`reveal` is the only way in. Two secrets are equal when their values are. An empty value is refused.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a Secret is made of str, not {type(value).__name__}")
        if not value:
            raise ConfigError("a secret is empty", cure="leave the key out, or point it at a value that is set")
        self._value = value

    def reveal(self) -> str:
        """The value itself, for signing and nothing else."""
        return self._value

    def redact(self, text: str) -> str:
        """``text`` with every occurrence of the value masked."""
        return text.replace(self._value, _MASK)

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass its reference (env:NAME, file:PATH, …) instead")


def _timeout(instance: ExchangeConfig, attribute: attrs.Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"timeout must be a positive number of seconds, not {value!r}", path="timeout")
    if value > 1000:
        raise ConfigError(
            f"timeout = {value:g} would be {value:g} seconds",
            path="timeout",
            cure=f"timeouts are in seconds; did you mean {value / 1000:g}?",
        )


@attrs.frozen
class ExchangeConfig:
    """Everything that one configured exchange instance was told. Made by ConfigManager or by hand.

    ``name`` is the instance name (several accounts of one exchange differ in it), ``exchange_id`` the venue,
    ``plugin`` the entry-point name to load (default: the exchange_id). ``timeout`` is in seconds for one request.
    ``base_url`` replaces the venue's hosts: ``{market: {"rest": url, "ws": url, …}}`` with the venue's own market
    names, just as ``fra emulate --json`` prints them, or one URL for everything. ``markets`` limits which of the
    adapter's markets are loaded (empty: all). ``rate_limit`` overrides budgets: scope → units per the venue's own
    interval. ``proxy`` is an HTTP proxy URL for REST and WebSocket alike. ``options`` are the adapter's own settings
    as its ``Options`` class declares them.
    """

    name: str
    exchange_id: str
    plugin: str | None = None
    api_key: Secret | None = None
    secret_key: Secret | None = None
    passphrase: Secret | None = None
    sandbox: bool = False
    timeout: float = attrs.field(default=10.0, validator=_timeout)
    rate_limit: Mapping[str, int] = attrs.field(factory=dict)
    base_url: str | Mapping[str, Mapping[str, str]] | None = None
    extra_params: Mapping[str, object] = attrs.field(factory=dict)
    markets: tuple[str, ...] = ()
    proxy: str | None = attrs.field(default=None, repr=False)
    options: Mapping[str, object] = attrs.field(factory=dict)

    @property
    def plugin_name(self) -> str:
        """The entry-point name to resolve."""
        return self.plugin or self.exchange_id

    @property
    def has_credentials(self) -> bool:
        """Whether a key and its secret are both there."""
        return self.api_key is not None and self.secret_key is not None

    def secrets(self) -> tuple[Secret, ...]:
        """Every secret that this configuration holds, for redaction."""
        return tuple(secret for secret in (self.api_key, self.secret_key, self.passphrase) if secret is not None)
