"""What ``[hooks.prometheus]`` in fra.toml may say."""

from __future__ import annotations

from typing import Final

import attrs

_PORTS: Final = 65_535


def _port(instance: object, field: attrs.Attribute[int], value: int) -> None:
    if not 0 <= value <= _PORTS:
        raise ValueError(f"port must be between 0 (any free one) and {_PORTS}, not {value}")


@attrs.frozen(kw_only=True)
class PrometheusOptions:
    """The settings of fra-hook-prometheus."""

    host: str = attrs.field(
        default="127.0.0.1", metadata={"help": "the address to listen on; others than you can read any but loopback"}
    )
    port: int = attrs.field(default=9464, validator=_port, metadata={"help": "the port; 0 takes any that is free"})
    symbols: tuple[str, ...] = attrs.field(
        default=(), metadata={"help": "unified symbols whose funding rates are shown, of every exchange"}
    )
