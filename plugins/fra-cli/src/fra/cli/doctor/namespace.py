"""Whether each module of fra comes from one place: fra is a namespace that many distributions share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from fra.cli.doctor.finding import Finding
from fra.cli.doctor.installation import Installation, Installed

SHARED: Final = ("fra", "fra/exchanges", "fra/adapters", "fra/hooks")
"""Folders that no distribution owns: an ``__init__.py`` in one hides what the others bring."""


def check_namespace(installation: Installation) -> Iterator[Finding]:
    """Stray ``__init__.py`` files, names that lie on the path twice, modules that two places provide."""
    owners = _owners(installation)
    found = [*_strays(owners), *_copies(installation), *_shared_files(owners), *_shadowed(owners)]
    yield from found
    if not found:
        yield Finding("namespace", "fra", "ok", f"{len(_places())} folders share it, and no module is in two of them")


def _places() -> list[Path]:
    return list(dict.fromkeys(place for entry in sys.path if (place := Path(entry or ".").resolve()).is_dir()))


def _owners(installation: Installation) -> Mapping[Path, list[Installed]]:
    """File under fra/ → the distributions whose RECORD lists it."""
    owners: dict[Path, list[Installed]] = {}
    for copies in installation.copies.values():
        for copy in copies:
            for file in copy.files_of_fra():
                owners.setdefault(file, []).append(copy)
    return owners


def _strays(owners: Mapping[Path, list[Installed]]) -> Iterator[Finding]:
    for place in _places():
        for folder in SHARED:
            stray = place / folder / "__init__.py"
            if not stray.is_file():
                continue
            guilty = [owner.name for owner in owners.get(stray, ())]
            why = f"{stray} hides what other packages bring to {folder.replace('/', '.')}"
            if guilty:
                yield Finding(
                    "namespace", folder, "fail", f"{why}; {guilty[0]} brought it", f"pip uninstall {guilty[0]}"
                )
            else:
                yield Finding("namespace", folder, "fail", why, f"rm {stray}")


def _copies(installation: Installation) -> Iterator[Finding]:
    for copies in installation.copies.values():
        if len(copies) > 1 and copies[0].relevant:
            where = " and ".join(f"{copy.version} {copy.origin}" for copy in copies)
            name = copies[0].name
            yield Finding(
                "namespace",
                name,
                "fail",
                f"it is installed {len(copies)} times: {where}",
                f"pip uninstall {name}, twice",
            )


def _shared_files(owners: Mapping[Path, list[Installed]]) -> Iterator[Finding]:
    """Of each module that several distributions own files of, one finding."""
    modules: dict[str, set[str]] = {}
    for file, found in owners.items():
        for owner in found:
            modules.setdefault(_module(file, owner.folder.parent), set()).add(owner.name)
    for module, names in sorted(modules.items()):
        if len(names) > 1 and module.replace(".", "/") not in SHARED:
            first, *others = sorted(names)
            detail = f"{first} and {', '.join(others)} both bring it: one has written over the other"
            cure = f"pip uninstall {others[0]}, then pip install --force-reinstall {first}"
            yield Finding("namespace", module, "fail", detail, cure)


def _module(file: Path, root: Path) -> str:
    """The package that a file belongs to: fra.core, fra.exchanges.okx."""
    parts = file.relative_to(root).with_suffix("").parts
    depth = 3 if "/".join(parts[:2]) in SHARED else 2
    return ".".join(parts[:depth])


def _shadowed(owners: Mapping[Path, list[Installed]]) -> Iterator[Finding]:
    """A module that lies in two folders of the path: an editable install beside a wheel, or a copy."""
    lies: dict[str, list[Path]] = {}
    for place in _places():
        for folder in SHARED:
            for child in sorted((place / folder).glob("*")) if (place / folder).is_dir() else ():
                named = f"{folder}/{child.stem}"
                if named in SHARED or child.name.startswith("__") or not _importable(child):
                    continue
                lies.setdefault(named.replace("/", "."), []).append(child)
    for module, places in lies.items():
        if len(places) > 1:
            used, *others = places
            where = ", ".join(str(other) for other in others)
            owner = next((found[0].name for other in others for found in _owning(owners, other)), None)
            cure = f"pip uninstall {owner}" if owner else f"remove {where}"
            yield Finding("namespace", module, "fail", f"{used} is used, and hides {where}", cure)


def _importable(child: Path) -> bool:
    return child.suffix == ".py" or (child.is_dir() and any(child.glob("*.py")))


def _owning(owners: Mapping[Path, list[Installed]], place: Path) -> Iterator[list[Installed]]:
    return (found for file, found in owners.items() if file.is_relative_to(place))
