"""The framework for native exchange adapters: REST, WebSocket, order books and signing as tables."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from fra.adapters.custom.auth import AuthHandler, HttpRequest, encode_json, encode_query, missing_credentials
from fra.adapters.custom.channel import Channel, channel_for
from fra.adapters.custom.clock import ClockSample, ServerClock
from fra.adapters.custom.dialect import Ack, Control, Dialect, Notice, Peek, Refused
from fra.adapters.custom.endpoint import Costs, Endpoint, Params, endpoint_for
from fra.adapters.custom.errors import ErrorRule, ErrorTable, Failure, Refusal, before_sending
from fra.adapters.custom.funding import FundingPublisher, settled_history
from fra.adapters.custom.heartbeat import ControlPing, Heartbeat, JsonPing, ServerPing, TextPing
from fra.adapters.custom.numbers import EXACT, whole
from fra.adapters.custom.options import CustomOptions
from fra.adapters.custom.plugin import CustomExchangePlugin
from fra.adapters.custom.stream import Stream, StreamHandler, publishing, publishing_each
from fra.adapters.custom.urls import BaseUrls, Urls

if TYPE_CHECKING:
    from fra.adapters.custom.http import HttpClient, Timed
    from fra.adapters.custom.streams import StreamClient
    from fra.adapters.custom.user import UserChannel, UserFeed

__all__ = [
    "EXACT",
    "Ack",
    "AuthHandler",
    "BaseUrls",
    "Channel",
    "ClockSample",
    "Control",
    "ControlPing",
    "Costs",
    "CustomExchangePlugin",
    "CustomOptions",
    "Dialect",
    "Endpoint",
    "ErrorRule",
    "ErrorTable",
    "Failure",
    "FundingPublisher",
    "Heartbeat",
    "HttpClient",
    "HttpRequest",
    "JsonPing",
    "Notice",
    "Params",
    "Peek",
    "Refusal",
    "Refused",
    "ServerClock",
    "ServerPing",
    "Stream",
    "StreamClient",
    "StreamHandler",
    "TextPing",
    "Timed",
    "Urls",
    "UserChannel",
    "UserFeed",
    "before_sending",
    "channel_for",
    "encode_json",
    "encode_query",
    "endpoint_for",
    "missing_credentials",
    "publishing",
    "publishing_each",
    "settled_history",
    "whole",
]

_LATER: Final = {
    "HttpClient": "http",
    "StreamClient": "streams",
    "Timed": "http",
    "UserChannel": "user",
    "UserFeed": "user",
}
"""What is not needed before an adapter is initialized (and most of it needs aiohttp)."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return value
