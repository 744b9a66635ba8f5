"""Where a venue's servers are, and how a configuration moves them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from fra.adapters.custom.options import suggestion
from fra.core import ConfigError

Urls = Mapping[str, Mapping[str, str]]
"""The venue's market name → {"rest": URL, "ws": URL, …}."""


class BaseUrls:
    """The URLs of one configured instance."""

    def __init__(self, defaults: Urls, override: str | Urls | None = None) -> None:
        """``override`` is a table like ``defaults``, or one URL whose scheme and host replace all of theirs.

        Raises ConfigError for a market that the venue does not have. Markets that a table leaves out stay unknown:
        nothing that was meant for a test server goes to the real one.
        """
        self._defaults = defaults
        self._override = override
        if override is not None and not isinstance(override, str):
            for market in override:
                if market not in defaults:
                    raise ConfigError(
                        f"base_url names the unknown market {market!r}",
                        path=f"base_url.{market}",
                        cure=suggestion(market, list(defaults)),
                    )

    def get(self, market: str, key: str) -> str:
        """The URL without a slash at its end. Raises ConfigError when the configuration's table has none."""
        default = self._defaults[market][key] if key in self._defaults.get(market, {}) else None
        if self._override is None:
            if default is None:
                raise ConfigError(f"{market!r} has no {key!r} URL")
            return default.rstrip("/")
        if isinstance(self._override, str):
            if default is None:
                raise ConfigError(f"{market!r} has no {key!r} URL")
            return _moved(default, self._override)
        try:
            return self._override[market][key].rstrip("/")
        except KeyError:
            raise ConfigError(
                f"base_url gives no {key!r} URL for {market!r}",
                path=f"base_url.{market}.{key}",
                cure=f"add it, or leave {market!r} out of markets",
            ) from None


def _moved(default: str, target: str) -> str:
    old, new = urlsplit(default), urlsplit(target)
    secure = new.scheme in ("https", "wss")
    scheme = ("wss" if secure else "ws") if old.scheme in ("ws", "wss") else ("https" if secure else "http")
    return urlunsplit((scheme, new.netloc, new.path.rstrip("/") + old.path, "", "")).rstrip("/")
