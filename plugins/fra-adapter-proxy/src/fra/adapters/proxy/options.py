"""How the broker is reached, and which of its hosted exchanges is meant."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import final

import attrs

from fra.core import ConfigError


def _not_empty(instance: object, field: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError(f"{field.name} must name a broker: nats://HOST:4222")


@attrs.frozen(kw_only=True)
class BrokerOptions:
    """A NATS broker and who we are there.

    The password of ``user`` is not here: it is a secret (``passphrase`` in fra.toml). ``nkey`` and ``creds`` are
    files, as NATS's own tools write them. Servers named ``tls://…``, or any of the ``tls_*`` files, mean TLS.
    """

    servers: tuple[str, ...] = attrs.field(
        default=("nats://127.0.0.1:4222",), validator=_not_empty, metadata={"help": "the broker's addresses"}
    )
    user: str | None = attrs.field(default=None, metadata={"help": "with `passphrase` as the password"})
    nkey: Path | None = attrs.field(default=None, metadata={"help": "a file with an nkey seed"})
    creds: Path | None = attrs.field(default=None, metadata={"help": "a .creds file"})
    tls_ca: Path | None = attrs.field(default=None, metadata={"help": "whose certificates are trusted"})
    tls_cert: Path | None = attrs.field(default=None, metadata={"help": "our own certificate"})
    tls_key: Path | None = attrs.field(default=None, metadata={"help": "its key"})

    def tls(self) -> ssl.SSLContext | None:
        """What TLS stands on, None without it. Raises ConfigError for files that cannot be used."""
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        if not any(files) and not any(server.startswith("tls://") for server in self.servers):
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the broker's TLS files cannot be used: {error}", path="options.tls_ca") from error
        return context


@final
@attrs.frozen(kw_only=True)
class ProxyOptions(BrokerOptions):
    """A hosted exchange. ``target`` is its name on its host (default: the name of this instance).

    ``market_targets`` are hosts of the same exchange for its public data alone: what is asked or streamed of a symbol
    comes from the one that the symbol's name falls to, so that any number of clients agree without asking.
    """

    target: str | None = attrs.field(default=None, metadata={"help": "its name where `fra serve` runs"})
    market_targets: tuple[str, ...] = attrs.field(
        default=(), metadata={"help": "hosts that share the public data of this exchange, symbol by symbol"}
    )
    silence: float = attrs.field(
        default=5.0,
        validator=attrs.validators.gt(0),
        metadata={"help": "seconds without a sign of the host after which its data counts as lost"},
    )
