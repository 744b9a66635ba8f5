"""The public topics: which there are, how one is keyed, and why a request for some is refused."""

from collections.abc import Callable, Iterable

from fra.emulator.bybit.updates import PERIOD_MS
from fra.emulator.candles import BYBIT
from fra.emulator.source import StreamKey

STATUS = "system.status"
_CHANNELS = frozenset(
    {
        "publicTrade",
        "tickers",
        "allLiquidation",
        *(f"orderbook.{depth}" for depth in PERIOD_MS),
        *(f"kline.{interval}" for interval in BYBIT),
    }
)
_SPOT_TOPICS = 10
_ARGS_CHARACTERS = 21_000


def key(market: str, topic: str) -> StreamKey:
    """`orderbook.50.BTCUSDT` is channel `orderbook.50`, symbol `BTCUSDT`."""
    channel, _, symbol = topic.rpartition(".")
    return StreamKey(market, channel, symbol)


def is_book(channel: str) -> bool:
    """Whether a channel sends deltas of a book; the first level comes whole each time."""
    return channel.startswith("orderbook.") and channel != "orderbook.1"


def unknown(market: str, topics: list[str]) -> str:
    """What the venue says of topics that do not exist."""
    if market == "spot":
        return f"Invalid symbol :[{','.join(topics)}]"
    return f"error:handler not found,topic:{topics[0]}"


def wrong(market: str, held: Iterable[str], topics: list[str], knows: Callable[[str, str], bool]) -> str | None:
    """Why a connection to `market` that holds some topics may not have these too; None if it may."""
    if not topics:
        return "Params Error"
    if market == "spot" and len(topics) > _SPOT_TOPICS:
        return f"args size >{_SPOT_TOPICS}"
    if len(",".join({*held, *topics})) > _ARGS_CHARACTERS:
        return f"args length >{_ARGS_CHARACTERS}"
    missing = [topic for topic in topics if not _exists(market, topic, knows)]
    if missing:
        return unknown(market, missing)
    again = next((topic for topic in topics if topic in held), None)
    return None if again is None else f"error:already subscribed,topic:{again}"


def _exists(market: str, topic: str, knows: Callable[[str, str], bool]) -> bool:
    if market == "status":
        return topic == STATUS
    found = key(market, topic)
    return found.channel in _CHANNELS and knows(market, found.symbol)
