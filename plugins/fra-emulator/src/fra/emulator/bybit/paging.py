"""Lists with a cursor, newest first, within a span of time, as Bybit's private lists have them."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import quote, unquote

from fra.emulator.bybit.orders import bad

_T = TypeVar("_T")
_TOKEN = re.compile(r"page_token=(\d+)&")
_WEEK_MS = 7 * 86_400_000


def page(
    rows: Iterable[tuple[int, _T]], params: Mapping[str, str], *, default: int, most: int, now_ms: int | None = None
) -> tuple[list[_T], str]:
    """A page of `rows`, each with its time, oldest first as given; and the cursor of the next, empty at the end.

    With `now_ms` the rows are of at most seven days: by default the last. A cursor is handed out percent-encoded, and
    may come back as it was or encoded once more. Raises Refusal.
    """
    for name in ("limit", "startTime", "endTime"):
        if params.get(name) and not params[name].isdigit():
            raise bad(name)
    found = list(enumerate(rows))
    if now_ms is not None:
        start, end = params.get("startTime"), params.get("endTime")
        until = int(end) if end else int(start) + _WEEK_MS if start else now_ms
        since = int(start) if start else until - _WEEK_MS
        if until - since > _WEEK_MS:
            raise bad("startTime")
        found = [(n, row) for n, row in found if since <= row[0] <= until]
    cursor = unquote(params.get("cursor", ""))
    if cursor:
        token = _TOKEN.fullmatch(cursor)
        if token is None:
            raise bad("cursor")
        found = [(n, row) for n, row in found if n < int(token[1])]
    limit = min(int(params.get("limit") or default), most)
    chosen = found[::-1][:limit]
    more = len(found) > len(chosen)
    return [row for _, (_, row) in chosen], quote(f"page_token={chosen[-1][0]}&", safe="") if more else ""
