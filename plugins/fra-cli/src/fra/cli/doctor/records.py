"""Installed files against the hashes that they were installed with."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from fra.cli.doctor.finding import Finding
from fra.cli.doctor.installation import Installation, Installed


def check_records(installation: Installation) -> Iterator[Finding]:
    """fra's distributions, those that bring it plugins, and all that they are built on."""
    wanted, waiting = dict[str, Installed](), installation.relevant()
    while waiting:
        found = waiting.pop()
        if found.name not in wanted:
            wanted[found.name] = found
            names = (name for name, _ in found.requirements())
            waiting += [installation.copies[name][0] for name in names if name in installation.copies]
    whole, files = 0, 0
    for name in sorted(wanted):
        bad, looked_at = _verify(wanted[name])
        whole, files = whole + (not bad), files + looked_at
        yield from bad
    yield Finding("verify", "files", "ok", f"{files} files of {whole} distributions are as they were installed")


def _verify(found: Installed) -> tuple[list[Finding], int]:
    cure = f"pip install --force-reinstall --no-deps {found.name}"
    try:
        files = found.record()
    except (OSError, ValueError, csv.Error) as error:
        return [Finding("verify", found.name, "fail", f"its RECORD cannot be read: {error}", cure)], 0
    if files is None:
        return [Finding("verify", found.name, "warn", "it has no RECORD to compare with", cure)], 0
    hashed = [(file, *told.partition("=")[::2]) for file, told in files if told]  # not RECORD itself, nor bytecode
    compared = [(file, _compare(file, algorithm, digest)) for file, algorithm, digest in hashed]
    changed = [f"{file} {what}" for file, what in compared if what is not None]
    if not changed:
        return [], len(hashed)
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return [Finding("verify", found.name, "fail", f"{', '.join(changed[:3])}{more}", cure)], len(hashed)


def _compare(path: Path, algorithm: str, expected: str) -> str | None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).digest()
    except FileNotFoundError:
        return "is missing"
    except ValueError:
        return f"has a hash of an unknown kind ({algorithm})"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if base64.urlsafe_b64encode(digest).decode().rstrip("=") == expected.rstrip("=") else "was changed"
