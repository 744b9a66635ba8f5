"""kill -9 at every await of an order's placement; then the journal and the venue agree, nothing doubled or forgotten.

The points are not listed here: the coroutine of ``create_order`` is stepped, and each of its suspensions is a point
before it and one after it. ``FRA_KILL_VENUES`` names the venues (``okx``; ``all`` is every native one).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from order_kills import Killed, Scene, scene
from order_scenarios import VENUES

from fra.core import OrderFate

_NAMED = os.environ.get("FRA_KILL_VENUES", "okx")
_CHOSEN = VENUES if _NAMED == "all" else tuple(_NAMED.split(","))


@pytest.mark.parametrize("venue", _CHOSEN)
async def test_a_kill_at_any_await_of_an_order_loses_and_doubles_nothing(venue: str, tmp_path: Path) -> None:
    async with scene(venue, tmp_path) as made:
        for kind in ("GTC", "IOC"):
            whole = await made.place(kind, None)
            assert whole.exit == 0
            assert [at for at in whole.at if at.startswith("fra.core.host.")], "no await of the desk's was seen"
            assert [at for at in whole.at if at.startswith(("fra.adapters.", "fra.exchanges."))], (
                "none of the adapter's"
            )
            for number in range(1, len(whole.at) + 1):
                for side in ("before", "after"):
                    killed = await made.place(kind, (number, side))
                    assert killed.exit == -9, f"{killed} ended by itself"

        async with made.next_process() as manager:
            for name, order in (await made.recover(manager)).items():
                made.of(name).first = order
            await made.send_again(manager)
            await made.fill_all(manager)
        made.time_passes()
        async with made.next_process() as manager:
            for name, order in (await made.recover(manager)).items():
                made.of(name).later = order

        wrong = [f"{killed}: {what}" for killed in made.killed for what in _wrong(made, killed)]
        assert not wrong, "\n".join(wrong)
        found = {killed.first.fate for killed in made.killed if killed.first is not None}
        assert found == {OrderFate.FOUND, OrderFate.UNKNOWN}, "both ends were met"


def _wrong(made: Scene, killed: Killed) -> list[str]:
    """Where what is known of an order is not what happened."""
    true, written = made.true_orders(killed), made.written(killed)
    wrong = []
    if killed.sent_again:
        wrong.append("its name was free while nobody knew what became of it")
    if len(true) > 1 or len(written) > 1:
        wrong.append(f"{len(true)} orders at the venue, {len(written)} in the journal")
    if true and not written:
        wrong.append("forgotten: the venue has it, the journal does not")
    if any(status in ("pending", "unknown") for _, status in written):
        wrong.append(f"still open in the journal: {written}")
    told = killed.first if killed.first is not None and killed.first.fate is OrderFate.FOUND else killed.later
    if killed.first is not None and killed.first.fate is OrderFate.NEVER_ARRIVED:
        wrong.append("called dead while it could still arrive")
    if told is not None and (told.fate is OrderFate.FOUND) != bool(true):
        wrong.append(f"told {told}, and the venue has {true}")
    last = killed.changes[-1] if killed.changes else None
    if last is not None and true and last.filled * true[0].amount != true[0].filled * (last.amount or 0):
        wrong.append(f"told that {last.filled} are filled, and {true[0].filled} are")
    if len({fill.trade_id for fill in killed.fills}) != len(killed.fills):
        wrong.append("a fill was told twice")
    return wrong
