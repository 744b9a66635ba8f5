"""Plan ids: a plan that changes has another one, and each is good for two minutes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fra.cli.exit_codes import CommandFailed

if TYPE_CHECKING:
    from fra.core import ClientOrderIdRule

LIFETIME_S: Final = 120
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_DIGEST: Final = 12
_ID_LENGTH: Final = 24


def issue(terms: Mapping[str, object], *, now_ms: int | None = None) -> str:
    """The id of a plan with these ``terms`` (JSON types), made now."""
    issued = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return f"{_write(issued, _DIGITS)}-{_digest(terms, issued)}"


def verify(plan_id: str, terms: Mapping[str, object], *, now_ms: int | None = None) -> None:
    """Raises CommandFailed when ``plan_id`` is none, is too old, or was made for other terms."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    stamp, dash, digest = plan_id.strip().lower().partition("-")
    if not (dash and stamp and digest and set(stamp) <= set(_DIGITS)):
        raise CommandFailed(f"{plan_id!r} is no plan id: nothing was sent", cure="leave --confirm out to get a plan")
    issued = int(stamp, len(_DIGITS))
    if _digest(terms, issued) != digest:
        raise CommandFailed(
            "the plan is not the one that was confirmed: nothing was sent", cure="read the new plan and confirm its id"
        )
    if not 0 <= now - issued <= LIFETIME_S * 1000:
        raise CommandFailed(
            f"the plan is older than {LIFETIME_S} s: nothing was sent", cure="read the new plan and confirm its id"
        )


def client_order_id(rule: ClientOrderIdRule | None, seed: str) -> str:
    """The client order id that belongs to ``seed``, by the venue's rule: the same plan sent twice has the same ids."""
    from fra.core import ClientOrderIdRule

    rule = ClientOrderIdRule(max_length=_ID_LENGTH) if rule is None else rule
    alphabet = "".join(sorted({char for char in rule.alphabet if char.isalnum()})) or rule.alphabet
    room = max(1, min(rule.max_length, max(_ID_LENGTH, len(rule.prefix) + 8)) - len(rule.prefix))
    number = int.from_bytes(hashlib.sha512(seed.encode()).digest(), "big")
    text = _write(number, alphabet)[-room:]
    # A venue that takes numbers would drop a zero in front.
    others = alphabet.replace("0", "") or alphabet
    first = text[0] if text[0] != "0" else others[number % len(others)]
    return rule.prefix + first + text[1:]


def _digest(terms: Mapping[str, object], issued_ms: int) -> str:
    text = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{issued_ms}|{text}".encode()).hexdigest()[:_DIGEST]


def _write(number: int, digits: str) -> str:
    text = ""
    while number:
        number, rest = divmod(number, len(digits))
        text = digits[rest] + text
    return text or digits[0]
