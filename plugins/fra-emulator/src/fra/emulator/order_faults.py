"""What may happen to an order between its account and the venue: lost, late, refused in front, told twice or late."""

import asyncio
import enum
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

import attrs
from aiohttp import web

from fra.emulator.sockets import Connection
from fra.matching import Event, Filled, OrderChanged

_SWAP_WITHIN_S = 0.25


class OrderAction(enum.Enum):
    """What a REST request does to orders."""

    PLACE = "place"
    CANCEL = "cancel"


OrderPaths = Mapping[OrderAction, re.Pattern[str]]
"""How a venue's requests are told apart: each pattern is matched against the whole of `METHOD /path`."""


def order_paths(*, place: str, cancel: str) -> OrderPaths:
    """By regular expressions."""
    return {OrderAction.PLACE: re.compile(place), OrderAction.CANCEL: re.compile(cancel)}


class OrderFault(enum.Enum):
    """What happens to one request."""

    LOSE_REQUEST = "lose the request"
    REFUSE = "answer 5xx before"
    LOSE_REPLY = "lose the reply"
    FAIL = "answer 5xx after"
    DELAY = "delay the answer"
    CUT = "cut the user sockets"
    ANSWER_FIRST = "answer before the events"


class EventFault(enum.Enum):
    """What happens to one event of an order on its way to the user sockets."""

    DUPLICATE = "tell an event twice"
    SWAP = "swap two events"


@attrs.define(eq=False)
class OrderSwitch:
    """A fault that waits for the next `left` requests or events; `applied` is set when it has happened to one, `left`
    counts down."""

    kind: OrderFault | EventFault
    left: int = 1
    action: OrderAction = OrderAction.PLACE
    seconds: float = 0.0
    status: int = 503
    applied: asyncio.Event = attrs.field(factory=asyncio.Event)

    def take(self) -> None:
        """It happens to one more."""
        self.left -= 1
        self.applied.set()


class UserEvents:
    """The way of the accounts' events from the engine to the user sockets."""

    def __init__(self, deliver: Callable[[Event], None]) -> None:
        self._deliver = deliver
        self._holds = 0
        self._held: deque[Event] = deque()
        self._switches: list[OrderSwitch] = []
        self._waiting: Event | None = None

    def tell(self, event: Event) -> None:
        """Pass an event on, or what is to become of it."""
        if self._holds:
            self._held.append(event)
        else:
            self._pass(event)

    def hold(self) -> Callable[[], None]:
        """Keep all events back until the result is called; several holds end with the last of them."""
        self._holds += 1
        released = False

        def release() -> None:
            nonlocal released
            if released:
                return
            released = True
            self._holds -= 1
            while self._held and not self._holds:
                self._pass(self._held.popleft())

        return release

    def duplicate(self, count: int = 1) -> OrderSwitch:
        """Tell each of the next `count` events of orders twice."""
        return self._switch(OrderSwitch(EventFault.DUPLICATE, count))

    def swap(self, count: int = 1) -> OrderSwitch:
        """Tell the next two events of orders in the wrong order, `count` times; one that no other follows within a
        quarter of a second goes out late."""
        return self._switch(OrderSwitch(EventFault.SWAP, count))

    def clear(self) -> None:
        """Forget the switches that still wait; what is held stays held."""
        self._switches.clear()

    def _switch(self, switch: OrderSwitch) -> OrderSwitch:
        self._switches.append(switch)
        return switch

    def _pass(self, event: Event) -> None:
        if not isinstance(event, OrderChanged | Filled):
            self._deliver(event)
            return
        self._switches = [switch for switch in self._switches if switch.left > 0]
        switch = self._switches[0] if self._switches else None
        before, self._waiting = self._waiting, None
        if before is not None:
            self._deliver(event)
            self._deliver(before)
            if switch is not None and switch.kind is EventFault.SWAP:
                switch.take()
        elif switch is None:
            self._deliver(event)
        elif switch.kind is EventFault.SWAP:
            self._waiting = event
            asyncio.get_running_loop().call_later(_SWAP_WITHIN_S, self._give_up, event)
        else:
            self._deliver(event)
            self._deliver(event)
            switch.take()

    def _give_up(self, event: Event) -> None:
        if self._waiting is event:
            self._waiting = None
            self._deliver(event)


class OrderFaults:
    """The switches of one venue for requests that place or cancel orders over REST, whatever their paths are.

    Each is for the next `count` requests of an action. One request meets all the switches that wait for it.
    """

    def __init__(
        self, paths: OrderPaths, events: Callable[[], UserEvents], user_sockets: Callable[[], Iterable[Connection]]
    ) -> None:
        self._paths = paths
        self._events = events
        self._user_sockets = user_sockets
        self._switches: list[OrderSwitch] = []

    @property
    def events(self) -> UserEvents:
        """The switches for what user sockets are told. Raises ValueError for a recording."""
        return self._events()

    def action(self, request: web.Request) -> OrderAction | None:
        """What a request does to orders; None for nothing."""
        asked = f"{request.method} {request.path}"
        return next((action for action, pattern in self._paths.items() if pattern.fullmatch(asked)), None)

    # -- switches
    def lose_requests(self, count: int = 1, *, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Cut the connection before the request is carried out."""
        return self._switch(OrderSwitch(OrderFault.LOSE_REQUEST, count, action))

    def refuse(self, count: int = 1, *, status: int = 503, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Answer with a bare 5xx and carry nothing out."""
        return self._switch(OrderSwitch(OrderFault.REFUSE, count, action, status=status))

    def lose_replies(self, count: int = 1, *, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Carry the request out and cut the connection before the answer."""
        return self._switch(OrderSwitch(OrderFault.LOSE_REPLY, count, action))

    def fail(self, count: int = 1, *, status: int = 503, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Carry the request out and answer with a bare 5xx."""
        return self._switch(OrderSwitch(OrderFault.FAIL, count, action, status=status))

    def delay(self, seconds: float, count: int = 1, *, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Carry the request out and answer so much later."""
        return self._switch(OrderSwitch(OrderFault.DELAY, count, action, seconds))

    def cut_user_sockets(self, count: int = 1, *, action: OrderAction = OrderAction.PLACE) -> OrderSwitch:
        """Cut the user sockets when the request was carried out, before they hear of it."""
        return self._switch(OrderSwitch(OrderFault.CUT, count, action))

    def answer_first(
        self, count: int = 1, *, seconds: float = 0.0, action: OrderAction = OrderAction.PLACE
    ) -> OrderSwitch:
        """Hold the events back until the request is answered, and for `seconds` after; usually they come first."""
        return self._switch(OrderSwitch(OrderFault.ANSWER_FIRST, count, action, seconds))

    def clear(self) -> None:
        """Forget the switches that still wait, those of events too."""
        self._switches.clear()
        self.events.clear()

    def _switch(self, switch: OrderSwitch) -> OrderSwitch:
        self._switches.append(switch)
        return switch

    # -- what becomes of a request
    async def carry_out(
        self, request: web.Request, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The answer to any request, after what the switches do to it."""
        action = self.action(request) if self._switches else None
        self._switches = [switch for switch in self._switches if switch.left > 0]
        due: dict[OrderFault | EventFault, OrderSwitch] = {}
        for switch in self._switches:
            if switch.action is action:
                due.setdefault(switch.kind, switch)
        if (lost := due.get(OrderFault.LOSE_REQUEST)) is not None:
            lost.take()
            return _abort(request)
        if (refused := due.get(OrderFault.REFUSE)) is not None:
            refused.take()
            return web.Response(status=refused.status)
        late = due.get(OrderFault.ANSWER_FIRST)
        release = self.events.hold() if late is not None else None
        try:
            response = await answer(request)
            for switch in due.values():
                switch.take()
            if OrderFault.CUT in due:
                for connection in [*self._user_sockets()]:
                    connection.abort()
            if (delayed := due.get(OrderFault.DELAY)) is not None:
                await asyncio.sleep(delayed.seconds)
            if OrderFault.LOSE_REPLY in due:
                response = _abort(request)
            elif (failed := due.get(OrderFault.FAIL)) is not None:
                response = web.Response(status=failed.status)
            if late is not None and request.transport is not None and not request.transport.is_closing():
                await response.prepare(request)
                await response.write_eof()
        finally:
            if release is not None and late is not None:
                asyncio.get_running_loop().call_later(late.seconds, release)
        return response


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
