"""What is installed, as metadata says it: versions, requirements, where each distribution lies. Imports no plugin."""

from __future__ import annotations

import csv
import importlib.metadata as metadata
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

from fra.cli.doctor.finding import Finding

LEAST_PYTHON: Final = (3, 11)


@attrs.frozen(eq=False)
class Installed:
    """One distribution. ``folder`` holds its metadata, ``source`` is the tree of an editable one, else None."""

    name: str
    version: str
    folder: Path
    source: Path | None
    distribution: metadata.Distribution

    @property
    def relevant(self) -> bool:
        """Whether it is one of fra's or brings it a plugin."""
        if self.name.startswith("fra-"):
            return True
        try:
            return "[fra." in (self.distribution.read_text("entry_points.txt") or "")
        except (OSError, UnicodeDecodeError):
            return False  # the row of the plugin says what is wrong with its entry points

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return f"editable from {self.source}" if self.source else f"in {self.folder.parent}"

    def record(self, prefix: str = "") -> list[tuple[Path, str]] | None:
        """Each file of its RECORD with ``algorithm=digest`` (empty: none), of those under ``prefix``; None: no RECORD.

        Raises OSError or UnicodeDecodeError for one that cannot be read.
        """
        text = self.distribution.read_text("RECORD")
        if text is None:
            return None
        if prefix not in text:
            return []  # most have nothing of fra, and thousands of lines
        lines = (line for line in text.splitlines() if line.startswith((prefix, f'"{prefix}')))
        return [(self.folder.parent / row[0], row[1]) for row in csv.reader(lines) if len(row) > 1]

    def files_of_fra(self) -> list[Path]:
        """What its RECORD lists under fra/; none for an editable one, or where there is no RECORD to read."""
        try:
            return [file for file, _ in self.record("fra/") or ()]
        except (OSError, ValueError, csv.Error):
            return []  # `--verify` says that it cannot be read

    def requirements(self) -> Iterator[tuple[str, str]]:
        """Name and specifier of what it needs here and now; extras are not needed."""
        from packaging.requirements import InvalidRequirement, Requirement

        for line in self.distribution.requires or ():
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue  # the row of its plugin says so
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield normalise(requirement.name), str(requirement.specifier)


@attrs.frozen
class Installation:
    """Every distribution on sys.path, by normalised name; several where one name lies there more than once."""

    copies: Mapping[str, Sequence[Installed]]

    @classmethod
    def read(cls) -> Installation:
        """Look now. What pip left behind half-removed is passed over, as an import passes it over."""
        copies: dict[str, dict[Path, Installed]] = {}
        for distribution in metadata.distributions():
            found = _installed(distribution)
            if found is not None:
                copies.setdefault(found.name, {}).setdefault(found.folder, found)
        return cls({name: _without_own_egg(list(found.values())) for name, found in copies.items()})

    def first(self) -> Iterator[Installed]:
        """The copy of each name that counts."""
        return (copies[0] for copies in self.copies.values())

    def relevant(self) -> list[Installed]:
        """Those of fra and those that bring it a plugin, by name."""
        return sorted((found for found in self.first() if found.relevant), key=lambda found: found.name)


def normalise(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(distribution: metadata.Distribution) -> Installed | None:
    folder = getattr(distribution, "_path", None)
    if folder is None:
        return None
    stem = Path(folder).name.removesuffix(".dist-info").removesuffix(".egg-info")
    name, _, version = stem.partition("-")  # as the scan for plugins reads them, and without opening a file
    if not name or name.startswith("~"):
        return None
    try:
        version = version.partition("-py")[0] or distribution.version
    except (KeyError, UnicodeDecodeError):
        return None
    return Installed(normalise(name), version, Path(os.path.realpath(folder)), _editable(distribution), distribution)


def _editable(distribution: metadata.Distribution) -> Path | None:
    try:
        url = json.loads(distribution.read_text("direct_url.json") or "{}")
        return Path(unquote(urlsplit(url["url"]).path)).resolve() if url.get("dir_info", {}).get("editable") else None
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _without_own_egg(copies: Sequence[Installed]) -> Sequence[Installed]:
    """An editable install leaves an egg-info in its source tree, which is no second copy."""
    sources = [copy.source for copy in copies if copy.source is not None]
    kept = [
        copy
        for copy in copies
        if copy.folder.suffix != ".egg-info" or not any(copy.folder.is_relative_to(source) for source in sources)
    ]
    return kept or copies


def check_versions(installation: Installation) -> Iterator[Finding]:
    """Python, fra's packages and the libraries under them: what is installed, and what asks for how much of it."""
    python = ".".join(map(str, sys.version_info[:3]))
    least = ".".join(map(str, LEAST_PYTHON))
    old = sys.version_info[:2] < LEAST_PYTHON
    yield Finding("versions", "python", "fail" if old else "ok", f"{python} (needs >={least}) in {sys.prefix}")
    asked: dict[str, dict[str, list[str]]] = {}
    for ours in (relevant := installation.relevant()):
        for name, specifier in ours.requirements():
            asked.setdefault(name, {}).setdefault(specifier, []).append(ours.name)
    names = [found.name for found in relevant] + sorted(asked.keys() - {found.name for found in relevant})
    for name in names:
        yield _version(name, installation.copies.get(name, ()), asked.get(name, {}))


def _version(name: str, copies: Sequence[Installed], asked: Mapping[str, Sequence[str]]) -> Finding:
    from packaging.specifiers import SpecifierSet

    version = copies[0].version if copies else None
    unmet = {
        specifier: who
        for specifier, who in asked.items()
        if version is None or not SpecifierSet(specifier).contains(version, prereleases=True)
    }
    if unmet:
        wants = "; ".join(f"{', '.join(who)} need{'s' * (len(who) == 1)} {name}{spec}" for spec, who in unmet.items())
        have = "is not installed" if version is None else f"{version} is installed"
        cure = f"pip install '{name}{','.join(filter(None, unmet))}'"
        return Finding("versions", name, "fail", f"{have}, and {wants}", cure)
    needs = ",".join(filter(None, asked))
    return Finding(
        "versions",
        name,
        "ok",
        f"{version}{f' (needs {needs})' if needs else ''}{f' {copies[0].origin}' if copies[0].relevant else ''}",
    )
