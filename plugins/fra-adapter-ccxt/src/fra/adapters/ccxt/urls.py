"""Pointing ccxt's table of URLs at other hosts."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fra.adapters.ccxt.venue import Urls

_SOCKETS: Final = ("ws", "wss")


def one_host(api: Any, base: str) -> Any:
    """ccxt's URLs, nested as they are, all at the host of ``base``; their paths stay, and sockets stay sockets."""
    if isinstance(api, dict):
        return {key: one_host(value, base) for key, value in api.items()}
    if not isinstance(api, str):
        return api
    target, old = urlsplit(base), urlsplit(api)
    scheme = target.scheme
    if old.scheme in _SOCKETS:
        scheme = "wss" if target.scheme in ("https", "wss") else "ws"
    elif target.scheme in _SOCKETS:
        scheme = "https" if target.scheme == "wss" else "http"
    return f"{scheme}://{target.netloc}{target.path.rstrip('/')}{old.path}"


def binance(api: dict[str, Any], urls: Urls) -> None:
    spot, usdm = urls["spot"], urls["usdm"]
    api |= {
        "public": f"{spot['rest']}/api/v3",
        "private": f"{spot['rest']}/api/v3",
        "v1": f"{spot['rest']}/api/v1",
        "fapiData": f"{usdm['rest']}/futures/data",
        "dapiData": f"{usdm['rest']}/futures/data",
        **{name: f"{spot['rest']}/sapi/v{version}" for name, version in _versions("sapi", 4)},
        **{
            f"{name}{access}{suffix}": f"{usdm['rest']}/{name}/v{version}"
            for name in ("fapi", "dapi", "eapi")
            for access in ("Public", "Private")
            for suffix, version in _versions("", 3)
        },
        **{name: f"{usdm['rest']}/papi/v{version}" for name, version in _versions("papi", 2)},
    }
    sockets = api["ws"]
    sockets |= {"spot": f"{spot['ws']}/ws", "margin": f"{spot['ws']}/ws"}
    sockets |= dict.fromkeys(("linear", "inverse"), f"{usdm['ws']}/ws")
    sockets["ws-api"] = dict.fromkeys(("linear", "inverse"), usdm["ws"]) | {"spot": spot.get("ws_api", spot["ws"])}


def _versions(name: str, highest: int) -> list[tuple[str, int]]:
    return [(f"{name}V{version}" if version > 1 else name, version) for version in range(1, highest + 1)]


def okx(api: dict[str, Any], urls: Urls) -> None:
    swap = urls["swap"]
    api |= {"rest": swap["rest"], "ws": swap["ws"].removesuffix("/public")}


def bybit(api: dict[str, Any], urls: Urls) -> None:
    linear = urls["linear"]
    api |= dict.fromkeys(("spot", "futures", "v2", "public", "private"), linear["rest"])
    private = linear.get("ws_private", linear["ws"])
    api["ws"] = {
        "public": {"option": linear["ws"]} | {name: urls[name]["ws"] for name in ("spot", "linear", "inverse")},
        "private": {
            "spot": {"unified": private, "nonUnified": private},
            **dict.fromkeys(("contract", "usdc", "trade"), private),
        },
    }


def htx(api: dict[str, Any], urls: Urls) -> None:
    spot, linear, inverse = urls["spot"], urls["linear"], urls["inverse"]
    api |= dict.fromkeys(("spot", "public", "private", "v2Public", "v2Private", "status"), spot["rest"])
    api["contract"] = linear["rest"]
    contracts = {
        "linear": {
            "public": linear["ws"],
            "private": linear.get("ws_private", linear["ws"]),
            "privateV5": linear.get("ws_private_v5", linear["ws"]),
        },
        "inverse": {"public": inverse["ws"], "private": inverse.get("ws_private", inverse["ws"])},
    }
    sockets = {
        "spot": {
            "public": spot["ws"],
            "private": spot.get("ws_private", spot["ws"]),
            "feed": spot.get("ws_feed", spot["ws"]),
        },
        "swap": contracts,
        "future": contracts,
    }
    api["ws"] = {"api": sockets, "api-aws": sockets}
