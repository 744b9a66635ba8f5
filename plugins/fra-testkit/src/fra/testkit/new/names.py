"""What a new plugin is called: one name, from which those of its distribution, its module and its class follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from fra.core import FraError

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
LONGEST: Final = 24
"""With longer names the templates' lines would have to be laid out anew."""


class NameRefused(FraError):
    """A plugin cannot be called that."""


@attrs.frozen
class Kind:
    """What can be made: its entry-point group, how its distributions are called, how its class ends."""

    name: str
    group: str
    distribution: str
    suffix: str


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("exchange", "fra.exchanges", "fra-exchange-", "Exchange"),
        Kind("hook", "fra.hooks", "fra-hook-", "Hook"),
    )
}


@attrs.frozen
class Names:
    """All names of one plugin."""

    kind: Kind
    name: str

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise NameRefused(
                f"{self.name!r} is no name for a plugin",
                cure="lower-case letters and digits, a letter first, parts joined by - or _: kraken, risk-desk",
            )
        if len(self.name) > LONGEST:
            raise NameRefused(f"{self.name!r} is too long", cure=f"at most {LONGEST} characters")

    @property
    def _parts(self) -> list[str]:
        return re.split(r"[-_]", self.name)

    @property
    def distribution(self) -> str:
        """``fra-exchange-my-venue``."""
        return self.kind.distribution + "-".join(self._parts)

    @property
    def module(self) -> str:
        """``fra_exchange_my_venue``: a top-level module of its own, as third parties have; only the group is shared."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """``My Venue``."""
        return " ".join(part.capitalize() for part in self._parts)

    @property
    def class_name(self) -> str:
        """``MyVenueExchange``."""
        return self.title.replace(" ", "") + self.kind.suffix
