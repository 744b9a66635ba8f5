"""One upstream of the source and the connections that listen to it."""

from collections.abc import Callable

from fra.emulator.faults import Faults
from fra.emulator.sockets import Connection
from fra.emulator.source import Source, SourceStream, StreamKey


class Fanout:
    """Encodes an event once for all listeners; the venue's test switches act here, after the source and before the
    sockets."""

    def __init__(self, key: StreamKey, faults: Faults, wrap: Callable[[StreamKey, str], str], *, is_book: bool) -> None:
        self.key = key
        self.upstream: SourceStream | None = None
        self.listeners: set[Connection] = set()
        self._faults = faults
        self._wrap = wrap
        self._is_book = is_book

    def publish(self, payload: str) -> None:
        """One event from the source."""
        faults, key = self._faults, self.key
        if faults.is_silent(key.market, key.channel):
            return
        if not self._is_book:
            self._send(payload)
            return
        for frame in faults.book_frames(self, key.market, key.symbol, payload):
            self._send(frame)

    def _send(self, payload: str) -> None:
        wrapped: str | None = None
        for connection in self.listeners:
            if connection.combined:
                if wrapped is None:
                    wrapped = self._wrap(self.key, payload)
                connection.send(wrapped)
            else:
                connection.send(payload)

    def admit(self, connection: Connection) -> None:
        """Hand a new listener what the venue pushes right after the ack, and everything from there on."""
        # first the greeting: it may push what is pending to the others, which is no news for this one
        greeting = self.upstream.initial() if self.upstream is not None else ()
        if not self._faults.is_silent(self.key.market, self.key.channel):
            for payload in greeting:
                connection.send(self._wrap(self.key, payload) if connection.combined else payload)
        self.listeners.add(connection)


class Board:
    """All open upstreams of a venue, shared by its connections."""

    def __init__(
        self, source: Source, faults: Faults, wrap: Callable[[StreamKey, str], str], is_book: Callable[[str], bool]
    ) -> None:
        self._source = source
        self._faults = faults
        self._wrap = wrap
        self._is_book = is_book
        self._open: dict[StreamKey, Fanout] = {}

    def find(self, key: StreamKey) -> Fanout | None:
        """The fan-out of `key`, for its caller to `admit` a connection at once; None if there is no such stream."""
        fanout = self._open.get(key)
        if fanout is None:
            fanout = Fanout(key, self._faults, self._wrap, is_book=self._is_book(key.channel))
            fanout.upstream = self._source.open(key, fanout.publish)
            if fanout.upstream is None:
                return None
            self._open[key] = fanout
        return fanout

    def leave(self, connection: Connection, key: StreamKey) -> None:
        """Stop the connection hearing `key`; the last one closes the upstream."""
        fanout = self._open.get(key)
        if fanout is None:
            return
        fanout.listeners.discard(connection)
        if not fanout.listeners:
            del self._open[key]
            if fanout.upstream is not None:
                fanout.upstream.close()

    def leave_all(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        for key in [k for k, f in self._open.items() if connection in f.listeners]:
            self.leave(connection, key)
