"""Plugins in single files: the ``*_plugin.py`` of a folder that the configuration names, each with a class ``Plugin``.

A file is trusted as a distribution is: by the allow-list, which names it as ``kraken_plugin.py``. Others than its owner
must not be able to write to it or to its folder.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from fra.core.host.plugins.distributions import EXCHANGES, Claim, normalise

SUFFIX: Final = "_plugin.py"
CLASS: Final = "Plugin"
_MODULES: Final = "fra_local_"
_OTHERS_WRITE: Final = 0o002


def scan_folder(folder: Path) -> Iterator[Claim]:
    """The files of ``folder`` as claims; nothing is imported. A folder that cannot be read has none."""
    try:
        files = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.is_file())
    except OSError:
        return
    open_to_all = _writable_by_others(folder)
    for path in files:
        problem = None
        if open_to_all:
            problem = f"everybody can write to its folder {folder} → chmod o-w {folder}"
        elif _writable_by_others(path):
            problem = f"everybody can write to {path} → chmod o-w {path}"
        yield Claim(
            group=EXCHANGES,
            name=path.name.removesuffix(SUFFIX),
            target=f"{path.name}:{CLASS}",
            distribution=normalise(path.name),
            version=None,
            origin=str(folder),
            problem=problem,
            file=str(path),
        )


def _writable_by_others(path: Path) -> bool:
    try:
        return sys.platform != "win32" and bool(path.stat().st_mode & _OTHERS_WRITE)
    except OSError:
        return True  # who cannot even look at it does not run it


def module_name(file: str) -> str:
    """The name under which a file's module is known: no import statement reaches it by accident."""
    return _MODULES + os.path.basename(file).removesuffix(".py")


def load_file(file: str) -> ModuleType:
    """Import it, afresh. Raises what its code raises."""
    name = module_name(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
