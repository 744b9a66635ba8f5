"""How a venue speaks, written down by its documentation, for those that no emulator plays: the shape of it.

Whoever asks on a socket gets the acknowledgement and then a few frames of the channel. All of them are of two coins at
:data:`PRICE`, so that a frame that ccxt reads as something else is found out before it is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time
from typing import Any, Final

import attrs
from aiohttp import web

from fra.adapters.ccxt import CCXTAdapter

Frame = dict[str, Any]
Frames = Iterable[Any]

PRICE: Final = "50.25"
COINS: Final = "2"
RATE: Final = "0.0001"
NOW: Final = int(time() * 1000)
MINUTE: Final = NOW // 60_000 * 60_000


@attrs.frozen
class Written:
    """How a venue speaks. ``answer`` gives what a request gets, ``react`` what a frame gets, ``greeting`` is said to
    each new socket, ``nothing`` is what is answered where nothing was asked while it was learned, and ``settings`` are
    given to ccxt, the number of an account, say.
    """

    plugin: type[CCXTAdapter]
    symbol: str
    react: Callable[[Frame], Frames]
    answer: Callable[[web.Request], Any] = lambda request: {}
    greeting: Any = None
    nothing: bytes = b"{}"
    settings: Mapping[str, object] = {}
