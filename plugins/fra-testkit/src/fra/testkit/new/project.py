"""A project from its templates: all of it stands in the target folder, or nothing does."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from fra.core import FraError, PluginConflict, PluginRegistry
from fra.testkit.new.names import NameRefused, Names

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_AUTHOR: Final = re.compile(r"[^\"\\\x00-\x1f\x7f]+")
_SUFFIX: Final = ".in"
_DOT: Final = "dot_"
"""Files whose names begin with a dot are easily lost on their way into a wheel."""


class FolderTaken(FraError):
    """There is something where the project was to be written."""


@attrs.frozen
class Project:
    """What was written: ``files`` by their paths below ``folder``, in order."""

    names: Names
    folder: Path
    files: tuple[str, ...]


def write(names: Names, parent: Path, *, author: str | None = None, registry: PluginRegistry | None = None) -> Project:
    """Write the project to a new folder below ``parent``, which is called like its distribution.

    Raises PluginConflict when a plugin of this name is installed, FolderTaken when the folder is there, NameRefused for
    an author whose name would have to be quoted, OSError when the disk refuses. Nothing is left behind then.
    """
    if author is not None and not _AUTHOR.fullmatch(author):
        raise NameRefused(f"{author!r} cannot stand in pyproject.toml", cure="leave out quotes and backslashes")
    _refuse_taken(names, registry or PluginRegistry())
    folder = parent / names.distribution
    if folder.exists() or folder.is_symlink():
        raise FolderTaken(f"{folder} is already there", cure="remove it, or write somewhere else with --into DIR")
    rendered = dict(sorted(_render(names, author or f"the authors of {names.distribution}")))
    parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{names.distribution}-", dir=parent))
    try:
        made = workshop / names.distribution
        for path, text in rendered.items():
            file = made / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        made.rename(folder)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Project(names, folder, tuple(rendered))


def _refuse_taken(names: Names, registry: PluginRegistry) -> None:
    rows = [row for row in registry.rows() if row.group == names.kind.group and row.name == names.name]
    if rows:
        owners = sorted({row.distribution or row.target for row in rows})
        raise PluginConflict(
            f"the {names.kind.name} {names.name!r} is already installed, by {' and '.join(owners)}",
            plugin=names.name,
            candidates=owners,
            cure=f"choose another name, or uninstall {owners[0]}",
        )


def _render(names: Names, author: str) -> Iterator[tuple[str, str]]:
    """Every file of the project: its path and its text."""
    values = {
        "author": author,
        "class_name": names.class_name,
        "distribution": names.distribution,
        "host": names.distribution.removeprefix(names.kind.distribution),
        "kind": names.kind.name,
        "module": names.module,
        "name": names.name,
        "title": names.title,
        "year": str(datetime.now(UTC).year),
    }
    templates = files("fra.testkit.new") / "templates"
    for part in ("shared", names.kind.name):
        for path, file in _walk(templates / part):
            parts = (re.sub(f"^{_DOT}", ".", _filled(part, values)) for part in path.removesuffix(_SUFFIX).split("/"))
            yield "/".join(parts), _filled(file.read_text(encoding="utf-8"), values)


def _walk(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield path + entry.name, entry


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], text)
