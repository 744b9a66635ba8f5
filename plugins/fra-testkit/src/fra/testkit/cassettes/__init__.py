"""Cassettes for adapter authors: vcrpy with a filter, and a linter that proves what the filter did.

`recorded` plays an exchange from a file, or records it anew. Every YAML or JSON file below a folder called `cassettes`
is linted by pytest where this kit is installed, and by `python -m fra.testkit.cassettes PATH…`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from fra.testkit.cassettes.lint import CassetteLeaks, Finding, lint, lint_all
from fra.testkit.cassettes.privacy import MASK, VENUES, Privacy, VenueNames
from fra.testkit.cassettes.scrub import HOST, Scrubber

if TYPE_CHECKING:
    from fra.testkit.cassettes.surface import walk
    from fra.testkit.cassettes.tape import cassette, recorded, recorder, recording, unplayed

__all__ = [
    "HOST",
    "MASK",
    "VENUES",
    "CassetteLeaks",
    "Finding",
    "Privacy",
    "Scrubber",
    "VenueNames",
    "cassette",
    "lint",
    "lint_all",
    "recorded",
    "recorder",
    "recording",
    "unplayed",
    "walk",
]

_LATER: Final = {
    "cassette": "tape",
    "recorded": "tape",
    "recorder": "tape",
    "recording": "tape",
    "unplayed": "tape",
    "walk": "surface",
}
"""What needs vcrpy or the suite: whoever only lints does not pay for it."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return value
