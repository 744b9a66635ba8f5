"""May this plugin be used? Pure rules over what the scan read; no files, no imports of plugins."""

from __future__ import annotations

import enum
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from fra.core.contract.errors import (
    PluginBlocked,
    PluginBroken,
    PluginConflict,
    PluginError,
    PluginIncompatible,
)
from fra.core.host.plugins.distributions import CONVENTIONS, CORE, EXCHANGES, Claim, normalise

_REQUIREMENT_NAME: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_PLAIN_RELEASE: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")
_PLAIN_CLAUSE: Final = re.compile(r" *([<>]=?) *([0-9]{1,9}(?:\.[0-9]{1,9})*) *")
_COMPARE: Final[Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class PluginState(enum.Enum):
    """What has become of one installed plugin."""

    AVAILABLE = "available"
    LOADED = "loaded"
    BLOCKED = "blocked"
    INCOMPATIBLE = "incompatible"
    CONFLICTING = "conflicting"
    BROKEN = "broken"


@attrs.frozen
class PluginRow:
    """One plugin as people see it. ``reason`` and ``cure`` say why it cannot be used and what to do; None if it can.

    ``distribution`` is None for a class registered at run time; ``origin`` is a path, ``target`` is ``pkg.mod:Attr``.
    """

    name: str
    group: str
    state: PluginState
    distribution: str | None
    version: str | None
    origin: str
    target: str
    reason: str | None = None
    cure: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it is loaded, or may be."""
        return self.state in (PluginState.AVAILABLE, PluginState.LOADED)


@attrs.frozen
class Verdict:
    """A state with its reason and cure."""

    state: PluginState
    reason: str | None = None
    cure: str | None = None


FINE: Final = Verdict(PluginState.AVAILABLE)


@attrs.frozen
class Policy:
    """What the configuration and the environment allow, all by normalised distribution name; None allows everything.

    ``allow`` is the configuration's list, ``only`` that of FRA_PLUGINS; both must agree, so that the environment can
    narrow what a configuration allows but never widen it.
    """

    allow: frozenset[str] | None = None
    only: frozenset[str] | None = None
    pins: Mapping[str, str] = attrs.field(factory=dict)

    def judge(self, claim: Claim, rivals: Sequence[Claim]) -> Verdict:
        """Everything that can be said without METADATA. ``rivals`` are all claims on this name, with this one."""
        return self._block(claim, rivals) or self._break(claim) or self._conflict(claim, rivals) or FINE

    def _block(self, claim: Claim, rivals: Sequence[Claim]) -> Verdict | None:
        dist = claim.distribution
        if self.only is not None and dist not in self.only:
            named = "is set and empty" if not self.only else f"does not name {dist}"
            return Verdict(PluginState.BLOCKED, f"FRA_PLUGINS {named}", f"add {dist} to FRA_PLUGINS, or unset it")
        if self.allow is not None and dist not in self.allow:
            return Verdict(
                PluginState.BLOCKED,
                f"the allow-list does not name {dist}",
                f'add "{dist}" to allow under [plugins] in fra.toml',
            )
        pin = self.pins.get(claim.name)
        if pin is None or pin == dist:
            return None
        # An exchange's pin holds even while the pinned distribution is missing: nobody else may take its name.
        if claim.group == EXCHANGES or any(rival.distribution == pin for rival in rivals):
            return Verdict(
                PluginState.BLOCKED,
                f"{claim.name!r} is pinned to {pin}",
                f"to use this one, change the pin:\n{pin_lines(claim.name, [dist])}",
            )
        return None

    def _break(self, claim: Claim) -> Verdict | None:
        if claim.problem is None:
            return None
        return Verdict(PluginState.BROKEN, claim.problem, _reinstall(claim.distribution))

    def _conflict(self, claim: Claim, rivals: Sequence[Claim]) -> Verdict | None:
        names = sorted({rival.distribution for rival in rivals if self._block(rival, rivals) is None})
        if len(names) < 2:
            return None
        return Verdict(
            PluginState.CONFLICTING,
            f"{len(names)} distributions claim {claim.name!r}: {', '.join(names)}",
            f"choose one in fra.toml:\n{pin_lines(claim.name, names)}",
        )


def judge_requirements(claim: Claim, requires: Sequence[str], core_version: str | None) -> Verdict:
    """Whether the distribution was made for this fra-core. One that requires none is taken at its word."""
    ours = [line for line in requires if (match := _REQUIREMENT_NAME.match(line)) and normalise(match[1]) == CORE]
    if core_version is None or all(_plainly_met(line, core_version) for line in ours):
        return FINE
    from packaging.requirements import InvalidRequirement, Requirement

    for line in ours:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return Verdict(
                PluginState.BROKEN, f"its requirement {line!r} cannot be read", _reinstall(claim.distribution)
            )
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(core_version, prereleases=True):
            return Verdict(
                PluginState.INCOMPATIBLE,
                f"it needs {CORE}{requirement.specifier}, and {core_version} is installed",
                f"pip install --upgrade {CORE} {claim.distribution}",
            )
    return FINE


def _plainly_met(requirement: str, version: str) -> bool:
    """Whether it asks for a plain range of releases that holds ``version``; False may only mean that we cannot tell.

    It is what almost every adapter asks for, and importing `packaging` takes longer than all the rest of a listing.
    """
    name = _REQUIREMENT_NAME.match(requirement)
    if name is None or not _PLAIN_RELEASE.fullmatch(version):
        return False
    clauses = requirement[name.end() :]
    if not clauses.strip():
        return True
    matches = [_PLAIN_CLAUSE.fullmatch(clause) for clause in clauses.split(",")]
    return all(match is not None and _COMPARE[match[1]](_release(version), _release(match[2])) for match in matches)


def _release(text: str) -> tuple[int, ...]:
    """1.0 and 1 are one release: zeros at the end say nothing."""
    return tuple(map(int, re.sub(r"(?:\.0+)+$", "", text).split(".")))


def pin_lines(name: str, distributions: Sequence[str]) -> str:
    """The lines of fra.toml that pin ``name`` to the first of ``distributions``; the others stand in a comment."""
    conventional = CONVENTIONS[EXCHANGES] + normalise(name)
    first, *others = sorted(distributions, key=lambda dist: (dist != conventional, dist))
    comment = f"  # or {', '.join(_quoted(other) for other in others)}" if others else ""
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
    return f"[plugins.pins]\n{key} = {_quoted(first)}{comment}"


def _quoted(text: str) -> str:
    """Quoted as TOML and JSON both understand it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def error_for(row: PluginRow, *, candidates: Sequence[str] = ()) -> PluginError:
    """The error to raise when somebody asks for a plugin that cannot be used."""
    who = f"plugin {row.name!r} ({row.distribution or row.target}{f' {row.version}' if row.version else ''})"
    message = f"{who} is {row.state.value}: {row.reason}"
    match row.state:
        case PluginState.CONFLICTING:
            return PluginConflict(message, plugin=row.name, candidates=candidates, cure=row.cure)
        case PluginState.INCOMPATIBLE:
            return PluginIncompatible(message, plugin=row.name, cure=row.cure)
        case PluginState.BLOCKED:
            return PluginBlocked(message, plugin=row.name, cure=row.cure)
        case _:
            return PluginBroken(message, plugin=row.name, cure=row.cure)


def _reinstall(distribution: str) -> str:
    return f"pip install --force-reinstall {distribution}"
