"""Client order ids: made by a venue's rule, and a user's own held to it."""

from __future__ import annotations

import random
from typing import Final, final

from fra.core.contract.capabilities import ClientOrderIdRule
from fra.core.contract.errors import InvalidOrder

_LENGTH: Final = 24
_MINIMUM: Final = 8


@final
class ClientOrderIds:
    """The client order ids of one exchange."""

    def __init__(self, rule: ClientOrderIdRule | None) -> None:
        self.rule = rule if rule is not None else ClientOrderIdRule(max_length=32)
        self._random = random.SystemRandom()

    def make(self) -> str:
        """A new id: the rule's prefix and random characters, 24 in all where the venue takes as many.

        It never begins with a zero, which a venue that takes numbers would drop.
        """
        rule = self.rule
        length = min(rule.max_length, max(_LENGTH, len(rule.prefix) + _MINIMUM)) - len(rule.prefix)
        alphabet = "".join(sorted({char for char in rule.alphabet if char.isalnum()})) or rule.alphabet
        first = self._random.choice(alphabet.replace("0", "") or alphabet)
        return rule.prefix + first + "".join(self._random.choices(alphabet, k=length - 1))

    def check(self, client_order_id: str, *, exchange: str) -> None:
        """Raises InvalidOrder for an id that the venue would not take."""
        rule = self.rule
        wrong = sorted(set(client_order_id) - set(rule.alphabet) - set(rule.prefix))
        if not client_order_id or len(client_order_id) > rule.max_length or wrong:
            why = f"holds {''.join(wrong)!r}" if wrong else f"has {len(client_order_id)} characters"
            raise InvalidOrder(
                f"the client order id {client_order_id!r} {why}; it may have 1 to {rule.max_length} "
                f"of {rule.alphabet!r}",
                exchange=exchange,
            )
