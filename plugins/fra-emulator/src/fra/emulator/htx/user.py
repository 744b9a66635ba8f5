"""One logged-in connection of an account, whichever of HTX's account sockets it is on."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import msgspec

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.emulator.htx.contracts import Row
from fra.emulator.sockets import Connection
from fra.matching import Event

Silent = Callable[[str], bool]


class User(ABC):
    """One logged-in connection and its topics."""

    def __init__(self, connection: Connection, account: Account, exchange: VenueExchange) -> None:
        self.account = account
        self.topics: dict[str, str] = {}
        """By the topic as it was asked for: the symbol it is for, or `*`."""
        self._connection = connection
        self._exchange = exchange
        self.close = self._exchange.listen(account, self.on_event)

    def push(self, told: Row) -> None:
        self._connection.send(msgspec.json.encode(told).decode())

    @abstractmethod
    def join(self, topic: str, code: str) -> int:
        """0 if there is such a topic, else the code of the refusal."""

    @abstractmethod
    def greet(self, topic: str) -> None:
        """What is pushed right after the acknowledgement."""

    @abstractmethod
    def on_event(self, event: Event) -> None:
        """Something has happened to the account."""
