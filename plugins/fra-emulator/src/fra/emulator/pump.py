"""What drives the generated market: one task that steps the watched books and lets their streams speak."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from fra.emulator.book import BookEngine, Step
from fra.emulator.exchange import VenueExchange
from fra.emulator.instruments import Instrument
from fra.emulator.market import Market
from fra.emulator.settings import Settings
from fra.emulator.source import Push

_IDLE_MS = 30_000


class GeneratedStream:
    """A stream of the generated market: told of every step of its book (if it has one) and asked at its own period
    what to say."""

    def __init__(self, push: Push, *, period_ms: int, engine: BookEngine | None = None) -> None:
        self.push = push
        self.period_ms = period_ms
        self.engine = engine
        self.closed = False
        self.due = time.monotonic() + period_ms / 1000.0

    def initial(self) -> Sequence[str]:
        return ()

    def on_step(self, step: Step) -> None:
        """A step of the stream's book."""

    def speak(self) -> None:
        """The stream's period is over."""

    def close(self) -> None:
        self.closed = True


class TimedStream(GeneratedStream):
    """Says at each period what `render` gives; `first` is what a new subscriber hears at once."""

    def __init__(
        self,
        push: Push,
        render: Callable[[], Sequence[str]],
        *,
        period_ms: int,
        engine: BookEngine | None = None,
        greet: bool = False,
    ) -> None:
        super().__init__(push, period_ms=period_ms, engine=engine)
        self._render = render
        self._greet = greet

    def initial(self) -> Sequence[str]:
        return self._render() if self._greet else ()

    def speak(self) -> None:
        for payload in self._render():
            self.push(payload)


def _report(task: asyncio.Task[None]) -> None:
    # a market that stands still because of a bug must not look like a quiet one
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler(
            {"message": "the emulated market stopped", "exception": error, "task": task}
        )


class Pump:
    """Steps every book that somebody watches, at `settings.step_ms`, and runs the streams' periods."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self.market = market
        self.settings = settings
        self._exchange: VenueExchange | None = None
        self.frozen: set[tuple[str, str]] = set()
        self._streams: list[GeneratedStream] = []
        self._task: asyncio.Task[None] | None = None
        self._turn = 0

    def add(self, stream: GeneratedStream) -> None:
        self._streams.append(stream)

    @property
    def exchange(self) -> VenueExchange:
        """Where accounts trade; made when the first one is opened."""
        if self._exchange is None:
            self._exchange = VenueExchange(self.market, self.settings)
            self._exchange.on_book = self._tell
        return self._exchange

    def engine(self, instrument: Instrument) -> BookEngine:
        """The instrument's book, kept moving for the next half minute at least."""
        return self.market.book(instrument, self.settings.clock.now_ms())

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="emulated market")
            self._task.add_done_callback(_report)

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        period = self.settings.step_ms / 1000.0
        following = time.monotonic()
        while True:
            following = max(following + period, time.monotonic())
            await asyncio.sleep(max(0.0, following - time.monotonic()))
            self._tick()

    def _tell(self, engine: BookEngine, step: Step) -> None:
        """An account has changed a book."""
        for stream in self._streams:
            if stream.engine is engine and not stream.closed:
                stream.on_step(step)

    def _tick(self) -> None:
        now_ms = self.settings.clock.now_ms()
        self._streams = [s for s in self._streams if not s.closed]
        listeners: dict[int, list[GeneratedStream]] = {}
        for stream in self._streams:
            if stream.engine is not None:
                listeners.setdefault(id(stream.engine), []).append(stream)
        books = list(self.market.books.items())
        # with more books than fit into a period each moves less often; the loop stays free for the sockets
        enough = time.monotonic() + 0.6 * self.settings.step_ms / 1000.0
        start = self._turn % len(books) if books else 0
        for key, engine in books[start:] + books[:start]:
            if time.monotonic() > enough:
                break
            self._turn += 1
            heard = listeners.get(id(engine))
            idle = now_ms - engine.wanted_ms > _IDLE_MS * max(1.0, self.settings.clock.scale)
            if (heard is None and idle) or key in self.frozen or now_ms <= engine.time_ms:
                continue
            step = engine.step(self.market.mid(engine.instrument, now_ms), now_ms)
            for stream in heard or ():
                stream.on_step(step)
            if self._exchange is not None:
                self._exchange.moved(engine, step)
        if self._exchange is not None:
            self._exchange.tick(now_ms)
        now = time.monotonic()
        for stream in self._streams:
            if stream.period_ms and now >= stream.due and not stream.closed:
                stream.due = max(stream.due + stream.period_ms / 1000.0, now)
                stream.speak()
