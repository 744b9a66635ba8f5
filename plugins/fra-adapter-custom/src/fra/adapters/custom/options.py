"""Settings that every native adapter has, and how a mapping from the configuration becomes typed options."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

import attrs
import msgspec

from fra.core import ConfigError

O = TypeVar("O")  # noqa: E741


def _positive(instance: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"must be above zero, not {value!r}")


@attrs.frozen(kw_only=True)
class CustomOptions:
    """Settings of every native adapter; an adapter's own ``Options`` extend it.

    ``staleness``: seconds without data after which a stream is STALE and made anew, in place of each channel's own
    figure. ``ack_timeout``: seconds to wait for the venue to take a subscription. ``retries``: how often a read is
    repeated after no answer came. ``max_response_bytes`` and ``max_frame_bytes`` bound what one answer or frame may
    hold, decompressed. ``reconnect_delay`` and ``reconnect_max_delay`` are the first and the longest delay in seconds
    before a lost connection is tried again. ``clock_interval``: seconds between looks at the venue's clock.
    ``silence``: seconds without any frame after which a connection is given up, in place of each venue's own figure,
    and pings of ours go out after half of it; where the venue pings (Binance, HTX) it must be longer than its period.
    ``transport`` of streams: ``aiohttp``, ``picows`` (half the work for each small message; the extra
    ``fra-adapter-custom[fast]``), or ``auto``: picows where it is installed.
    """

    staleness: float | None = attrs.field(default=None, validator=_positive)
    ack_timeout: float = attrs.field(default=10.0, validator=_positive)
    retries: int = attrs.field(default=2, validator=attrs.validators.ge(0))
    max_response_bytes: int = attrs.field(default=64 * 1024 * 1024, validator=_positive)
    max_frame_bytes: int = attrs.field(default=8 * 1024 * 1024, validator=_positive)
    reconnect_delay: float = attrs.field(default=1.0, validator=_positive)
    reconnect_max_delay: float = attrs.field(default=60.0, validator=_positive)
    clock_interval: float = attrs.field(default=600.0, validator=_positive)
    silence: float | None = attrs.field(default=None, validator=_positive)
    transport: Literal["aiohttp", "picows", "auto"] = "aiohttp"


def structure_options(values: Mapping[str, object], kind: type[O]) -> O:
    """``values`` as the attrs class ``kind``. Raises ConfigError for an unknown key or a value of a wrong type."""
    if isinstance(values, kind):
        return values
    known = [field.name for field in attrs.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ConfigError(
                f"{key!r} is no option of this adapter",
                path=f"options.{key}",
                cure=f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(sorted(known))}",
            )
    try:
        return msgspec.convert(dict(values), kind)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise ConfigError(f"options: {error}", path="options") from None


def suggestion(wrong: str, known: list[str]) -> str:
    """One line that names the nearest known word, or all of them."""
    near = get_close_matches(wrong, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known)) or 'none'}"
