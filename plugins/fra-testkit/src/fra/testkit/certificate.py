"""The certificate: what one adapter was shown to do, by which kit, when; as text and as JSON."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

import attrs

from fra.testkit.outcomes import Outcome, Result

SCHEMA: Final = 1
_ALWAYS: Final = (Outcome.PASSED, Outcome.NOT_CLAIMED)


@attrs.frozen
class Certificate:
    """All results of one adapter in one run."""

    adapter: str
    distribution: str | None
    version: str | None
    results: tuple[Result, ...]
    left_out: int = attrs.field(default=0, kw_only=True)
    """How many tests were collected and not run, by ``-k`` and the like: a part of the suite earns no certificate."""
    date: str = attrs.field(factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def counts(self) -> Counter[Outcome]:
        return Counter(result.outcome for result in self.results)

    @property
    def valid(self) -> bool:
        """Whether nothing failed, nothing was left out, and the adapter started at all."""
        return not self.lacks

    @property
    def lacks(self) -> str | None:
        """Why it is none."""
        if self.counts[Outcome.FAILED]:
            return "it fails tests"
        if not any(one.test == "test_it_starts" and one.outcome is Outcome.PASSED for one in self.results):
            return "it was not seen to start"
        return "a part of the suite was run" if self.left_out else None

    def text(self) -> str:
        """One line: ``fra-exchange-okx 0.1.0 (okx) · kit 0.1.0 · 61 passed, 7 not claimed``; why, if it is none."""
        shown = [one for one in Outcome if self.counts[one] or one in _ALWAYS]
        who = f"{self.distribution} {self.version} ({self.adapter})" if self.distribution else self.adapter
        counts = [f"{self.counts[one]} {one.value}" for one in shown]
        if self.left_out:
            counts.append(f"{self.left_out} left out")
        lacks = f" · no certificate: {self.lacks}" if self.lacks else ""
        return f"{who} · kit {kit_version()} · {', '.join(counts)}{lacks}"

    def lines(self) -> list[str]:
        """The line, and below it by reason what was not shown and what works unclaimed."""
        lines = [self.text()]
        for outcome in (Outcome.NOT_EVALUATED, Outcome.UNCLAIMED):
            by_reason: dict[str, list[str]] = {}
            for result in self.results:
                if result.outcome is outcome:
                    by_reason.setdefault(result.reason or "no reason", []).append(result.test)
            for reason, tests in by_reason.items():
                named = ", ".join(tests[:3]) + (f" and {len(tests) - 3} more" if len(tests) > 3 else "")
                lines.append(f"  {outcome.value}: {reason}: {named}")
        return lines

    def as_json(self) -> dict[str, object]:
        """What ``--fra-certificate`` writes of one adapter."""
        return {
            "adapter": self.adapter,
            "distribution": self.distribution,
            "version": self.version,
            "kit": kit_version(),
            "core": version_of("fra-core"),
            "python": platform.python_version(),
            "date": self.date,
            "valid": self.valid,
            "lacks": self.lacks,
            "counts": {**{outcome.value: self.counts[outcome] for outcome in Outcome}, "left out": self.left_out},
            "results": [
                {"test": one.test, "topic": one.topic, "outcome": one.outcome.value, "reason": one.reason}
                for one in self.results
            ],
        }


def kit_version() -> str:
    """The version of the kit that is installed."""
    return version_of("fra-testkit")


def write(certificates: Iterable[Certificate], path: Path) -> None:
    """Write certificates as one JSON document."""
    made: Sequence[object] = [certificate.as_json() for certificate in certificates]
    path.write_text(json.dumps({"schema": SCHEMA, "certificates": made}, indent=2) + "\n", encoding="utf-8")
