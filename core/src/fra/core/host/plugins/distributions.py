"""What is installed, read as text: nothing here imports a plugin.

The only file that touches importlib_metadata, and only inside functions: importing it swaps the metadata finder of the
whole process and costs more than the rest of the core.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from importlib_metadata import EntryPoints

EXCHANGES: Final = "fra.exchanges"
HOOKS: Final = "fra.hooks"
COMMANDS: Final = "fra.commands"
GROUPS: Final = (EXCHANGES, HOOKS, COMMANDS)
CORE: Final = "fra-core"
CONVENTIONS: Final = {EXCHANGES: "fra-exchange-", HOOKS: "fra-hook-"}
"""How distributions of a group are usually called."""

_TARGET: Final = re.compile(r"^(?P<module>[\w.]+)\s*(:\s*(?P<attr>[\w.]+)\s*)?(\[.*\])?\s*$")
_STAMPED: Final = ("RECORD", "METADATA", "PKG-INFO")
_CODE: Final = (".py", ".so", ".pyd")
_SEPARATORS: Final = re.compile(r"[-_.]+")


class _Distribution(Protocol):
    @property
    def entry_points(self) -> EntryPoints: ...

    def read_text(self, filename: str, /) -> str | None: ...


class UnreadableMetadata(ValueError):
    """A distribution's METADATA is missing or is not text."""


@attrs.frozen
class Details:
    """What METADATA and direct_url.json say; read only for distributions that are shown or loaded."""

    version: str | None
    requires: tuple[str, ...]
    origin: str


@attrs.frozen
class Claim:
    """One entry point of one distribution: it claims ``name`` in ``group``.

    ``distribution`` is normalised (PEP 503), ``version`` taken from the folder's name and None where that has none.
    ``origin`` is the sys.path entry it was found in. ``problem`` says why it cannot be used whatever the policy.
    ``file`` is a plugin's single file, which belongs to no distribution; its name stands in for one.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str | None
    origin: str
    problem: str | None = None
    file: str | None = attrs.field(default=None, kw_only=True)
    _path: str = attrs.field(default="", repr=False, eq=False)
    _source: _Distribution | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def module(self) -> str:
        """The module to import; only for a claim without a problem."""
        return self._match()["module"]

    @property
    def attribute(self) -> str:
        """The dotted attribute of the module, empty for a hook that is a module; only for a claim without a problem."""
        return self._match()["attr"] or ""

    def _match(self) -> re.Match[str]:
        match = _TARGET.match(self.target)
        if match is None:
            raise ValueError(f"{self.target!r} is not of the form package.module:Attribute")
        return match

    def stamp(self) -> str | None:
        """What differs after it was installed anew or changed; None when it is gone."""
        for path in (self.file,) if self.file else (os.path.join(self._path, name) for name in _STAMPED):
            try:
                found = os.stat(path)
            except OSError:
                continue
            return f"{self.version} {found.st_mtime_ns} {found.st_size} {found.st_ino}"
        return None

    def modules(self) -> frozenset[str]:
        """The modules that it installed, packages for all that is in them."""
        from csv import reader

        own = frozenset((self.module,)) if self.file is None and self.problem is None else frozenset()
        if self._source is None:
            return own
        try:
            files = [row[0] for row in reader((self._source.read_text("RECORD") or "").splitlines()) if row]
        except (OSError, UnicodeDecodeError):
            return own
        packages = {file.removesuffix("/__init__.py") for file in files if file.endswith("/__init__.py")}
        found: set[str] = set(own)
        for file in files:
            if not file.endswith(_CODE) or file.startswith(("..", "/")):
                continue
            folders = file.split("/")[:-1]
            parents = ("/".join(folders[: depth + 1]) for depth in range(len(folders)))
            package = next((parent for parent in parents if parent in packages), None)
            found.add((package or file.partition(".")[0]).replace("/", "."))
        return frozenset(found)

    def details(self) -> Details:
        """Read METADATA now. Raises :class:`UnreadableMetadata`."""
        source = self._source
        if source is None:
            return Details(self.version, (), self.origin)
        try:
            text, legacy = source.read_text("METADATA"), None
            if not text:  # an egg-info folder
                text, legacy = source.read_text("PKG-INFO"), source.read_text("requires.txt")
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableMetadata(f"its METADATA cannot be read: {error}") from error
        if not text:
            raise UnreadableMetadata("it has no METADATA")
        headers = list(_headers(text))
        requires = [value for key, value in headers if key == "requires-dist"]
        if not requires and legacy:
            requires = [line for line in legacy.partition("[")[0].splitlines() if line.strip()]
        version = next((value for key, value in headers if key == "version"), None)
        if version is None:
            raise UnreadableMetadata("its METADATA names no version")
        return Details(version, tuple(requires), _editable_origin(source, self._path) or self.origin)


def normalise(distribution: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return _SEPARATORS.sub("-", distribution).lower()


def core_version() -> str | None:
    """The version of fra-core that is installed; None when it runs from a bare source tree."""
    import importlib_metadata

    copies = (_Copy.of(source) for source in importlib_metadata.distributions(name=CORE))
    return next((copy.version for copy in copies if copy is not None and copy.version is not None), None)


def scan(path: Sequence[str] | None = None) -> tuple[Claim, ...]:
    """Read the entry points of everything on ``path`` (None: sys.path); the first of equal names counts, as for pip.

    Never raises for a broken distribution: its claims carry the problem.
    """
    import importlib_metadata

    importlib_metadata.MetadataPathFinder.invalidate_caches()
    found = importlib_metadata.distributions() if path is None else importlib_metadata.distributions(path=list(path))
    first: dict[str, list[_Copy]] = {}
    for source in found:
        copy = _Copy.of(source)
        if copy is None:
            continue
        copies = first.setdefault(copy.name, [copy])
        if copies[0] is not copy and copies[0].folder == copy.folder and copies[0].path != copy.path:
            copies.append(copy)  # two versions side by side in one folder: an upgrade that went wrong
    claims: list[Claim] = []
    for copies in first.values():
        if len(copies) == 1:
            claims += _claims(copies[0], None)
            continue
        whole = [copy for copy in copies if copy.has_metadata()]
        if len(whole) == 1:
            claims += _claims(whole[0], None)
        else:
            versions = " and ".join(sorted(str(copy.version) for copy in copies))
            claims += _claims(copies[0], f"two versions are installed in {copies[0].folder}: {versions}")
    return tuple(claims)


@attrs.frozen(eq=False)
class _Copy:
    """One metadata folder."""

    name: str
    version: str | None
    folder: str
    path: str
    source: _Distribution

    @classmethod
    def of(cls, source: _Distribution) -> _Copy | None:
        # The folder's name says name and version without opening a file; `_path` is how pip finds it, too.
        path = getattr(source, "_path", None)
        if path is None:
            return cls._from_metadata(source)
        where = str(path).rstrip("/")
        folder, stem = os.path.split(where)
        stem = stem.removesuffix(".dist-info").removesuffix(".egg-info")
        name, _, version = stem.partition("-")
        if not name or name.startswith("~"):
            return None  # "~ra_core": what an interrupted uninstall by pip leaves behind
        return cls(normalise(name), version.partition("-py")[0] or None, folder, where, source)

    @classmethod
    def _from_metadata(cls, source: _Distribution) -> _Copy | None:
        headers = dict(_headers(source.read_text("METADATA") or ""))
        if "name" not in headers:
            return None
        return cls(normalise(headers["name"]), headers.get("version"), "", headers["name"], source)

    def has_metadata(self) -> bool:
        try:
            return bool(self.source.read_text("METADATA"))
        except (OSError, UnicodeDecodeError):
            return False


def _claims(copy: _Copy, problem: str | None) -> Iterable[Claim]:
    try:
        points = [(point.group, point.name, point.value) for point in copy.source.entry_points]
    except Exception as error:  # whatever somebody's file does to the parser, it is a row and not a traceback
        return _unreadable(copy, error)
    ours = [point for point in points if point[0] in GROUPS]
    times = Counter((group, name) for group, name, _ in ours)
    claims = []
    for (group, name), target in {(group, name): target for group, name, target in ours}.items():
        trouble = problem
        if trouble is None and times[group, name] > 1:
            trouble = f"its entry_points.txt declares {name!r} {times[group, name]} times"
        match = _TARGET.match(target)
        if trouble is None and (match is None or (match["attr"] is None and group != HOOKS)):
            trouble = f"its entry point {target!r} is not of the form package.module:Attribute"
        claims.append(_claim(copy, group, name, target, trouble))
    return claims


def _unreadable(copy: _Copy, error: Exception) -> Iterable[Claim]:
    """Rows for what an entry_points.txt that the parser refuses still says; it must not pass for not installed."""
    try:
        raw: bytes = copy.source._path.joinpath("entry_points.txt").read_bytes()  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return []
    names: dict[tuple[str, str], str] = {}
    group = ""
    for line in raw.decode("utf-8", "replace").splitlines():
        key, equals, target = (part.strip() for part in line.partition("="))
        if key.startswith("["):
            group = key.strip("[] ")
            if group in GROUPS:
                names[group, copy.name.removeprefix(CONVENTIONS.get(group, ""))] = ""
        elif equals and group in GROUPS:
            names[group, key] = target
    reason = f"its entry_points.txt cannot be read: {type(error).__name__}: {error}"
    named = {group for (group, _), target in names.items() if target}
    return [
        _claim(copy, group, name, target, reason)
        for (group, name), target in names.items()
        if target or group not in named  # the distribution's own name only where no better one is left
    ]


def _claim(copy: _Copy, group: str, name: str, target: str, problem: str | None) -> Claim:
    return Claim(group, name, target, copy.name, copy.version, copy.folder, problem, copy.path, copy.source)


def _headers(metadata: str) -> Iterator[tuple[str, str]]:
    head, _, _description = metadata.replace("\r\n", "\n").partition("\n\n")
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            yield key.lower(), value.strip()


def _editable_origin(source: _Distribution, folder: str) -> str | None:
    if not os.path.isfile(os.path.join(folder, "direct_url.json")):
        return None
    import json
    from urllib.parse import unquote, urlsplit

    try:
        url = json.loads(source.read_text("direct_url.json") or "{}")
        if url.get("dir_info", {}).get("editable"):
            return unquote(urlsplit(url["url"]).path)
    except (OSError, ValueError, KeyError, AttributeError):
        return None  # only where it comes from is lost; the folder it was found in is still named
    return None
