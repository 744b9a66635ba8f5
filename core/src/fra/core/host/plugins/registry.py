"""PluginRegistry: which plugins there are, which may be used, and their classes."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import attrs

from fra.core.contract.errors import PluginBroken, PluginConflict, PluginNotFound
from fra.core.host.plugins.distributions import (
    CONVENTIONS,
    EXCHANGES,
    GROUPS,
    Claim,
    UnreadableMetadata,
    core_version,
    normalise,
    scan,
)
from fra.core.host.plugins.policy import PluginRow, PluginState, Policy, Verdict, error_for, judge_requirements

if TYPE_CHECKING:
    # Listings, help and completion name plugins without ever seeing one's class.
    from fra.core.contract.capabilities import ExchangeMetadata
    from fra.core.contract.exchange import ExchangePluginInterface

ENVIRONMENT: Final = "FRA_PLUGINS"
_FROZEN: Final = "<frozen importlib"
_HERE: Final = __file__
HAND_OVER: Final = (
    "take the exchanges that use it out of the configuration and in again, "
    "hand them over to a new process (fra serve), or restart"
)
"""What to do where the old code of a plugin is in use: it is never exchanged beneath an instance that runs."""


@attrs.frozen
class _Loaded:
    thing: object
    claim: Claim
    stamp: str | None
    modules: frozenset[str]


@attrs.define
class _Registered:
    cls: type[ExchangePluginInterface]
    row: PluginRow


class PluginRegistry:
    """What is installed or registered, as rows; imports a plugin only when its class is asked for.

    A plugin that cannot be used is a row with a reason and hurts nothing else.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] | None = None,
        pins: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        path: Sequence[str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """``allow`` names distributions (None: all), ``pins`` maps plugin names to distributions, ``folder`` holds
        plugins in single files.

        ``environ`` (None: os.environ) may hold FRA_PLUGINS, a comma-separated list of the only distributions to use;
        set and empty means none. ``path`` replaces sys.path for the scan, not for imports.
        """
        self._folder = folder
        only = (os.environ if environ is None else environ).get(ENVIRONMENT)
        self._policy = Policy(
            allow=None if allow is None else frozenset(map(normalise, allow)),
            only=None if only is None else frozenset(normalise(name) for name in only.replace(",", " ").split()),
            pins={name: normalise(distribution) for name, distribution in (pins or {}).items()},
        )
        self._path = path
        self._scanned = False
        self._core_version: str | None = None
        self._claims: dict[tuple[str, str], list[Claim]] = {}
        self._registered: dict[str, _Registered] = {}
        self._loaded: dict[tuple[str, str], _Loaded] = {}
        self._failed: dict[Claim, Verdict] = {}

    def with_policy(
        self,
        *,
        allow: Iterable[str] | None = None,
        pins: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> PluginRegistry:
        """A new registry of the same installation and FRA_PLUGINS, which is not read again; nothing is loaded in it."""
        self._scan()
        other = PluginRegistry(allow=allow, pins=pins, path=self._path, folder=folder)
        other._policy = attrs.evolve(other._policy, only=self._policy.only)
        other._scanned = True
        other._take(claim for claims in self._claims.values() for claim in claims if claim.file is None)
        other._take_folder()
        other._core_version = self._core_version
        return other

    # --- what there is

    def discover_plugins(self) -> tuple[PluginRow, ...]:
        """Read the installed entry points, once; the rows of all groups. Imports nothing."""
        return self.rows()

    def use_policy(
        self, *, allow: Iterable[str] | None = None, pins: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        """Judge by this from now on, and read what is there anew; what is loaded stays loaded."""
        other = PluginRegistry(allow=allow, pins=pins, environ={})
        self._policy = attrs.evolve(other._policy, only=self._policy.only)
        self._folder = folder
        self.refresh()

    def refresh(self) -> None:
        """Forget what was read, and why imports failed; what is loaded stays loaded."""
        importlib.invalidate_caches()
        self._scanned = False
        self._claims.clear()
        self._failed.clear()

    def rows(self, group: str | None = None) -> tuple[PluginRow, ...]:
        """Every plugin (of one entry-point group), by group and name. Reads the METADATA of each; imports nothing."""
        self._scan()
        rows = [
            self._row(claim) for claims in self._claims.values() for claim in claims if group in (None, claim.group)
        ]
        if group in (None, EXCHANGES):
            rows += [registered.row for registered in self._registered.values()]
        return tuple(sorted(rows, key=lambda row: (GROUPS.index(row.group), row.name, row.distribution or "")))

    def names(self, group: str = EXCHANGES) -> tuple[str, ...]:
        """Every installed or registered name, usable or not, without opening a METADATA file."""
        self._scan()
        names = {name for claimed, name in self._claims if claimed == group}
        return tuple(sorted(names | self._registered.keys() if group == EXCHANGES else names))

    def get_available_plugins(self) -> tuple[str, ...]:
        """The names of the exchange plugins that are loaded or may be."""
        return tuple(sorted({row.name for row in self.rows(EXCHANGES) if row.usable}))

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        self._take(scan(self._path))
        self._take_folder()

    def _take(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._claims.setdefault((claim.group, claim.name), []).append(claim)

    def _take_folder(self) -> None:
        if self._folder is not None:
            from fra.core.host.plugins.local import scan_folder

            self._take(scan_folder(self._folder))

    def _row(self, claim: Claim) -> PluginRow:
        verdict = self._policy.judge(claim, self._claims[claim.group, claim.name])
        version, origin = claim.version, claim.origin
        try:
            details = claim.details()
            version, origin = details.version, details.origin
            if verdict.state is PluginState.AVAILABLE:
                self._core_version = self._core_version or core_version()
                verdict = judge_requirements(claim, details.requires, self._core_version)
        except UnreadableMetadata as error:
            if verdict.state is PluginState.AVAILABLE:
                verdict = Verdict(PluginState.BROKEN, str(error), f"pip install --force-reinstall {claim.distribution}")
        if verdict.state is PluginState.AVAILABLE:
            verdict = self._failed.get(claim) or self._loaded_verdict(claim, version) or verdict
        return PluginRow(
            name=claim.name,
            group=claim.group,
            state=verdict.state,
            distribution=claim.distribution,
            version=version,
            origin=origin,
            target=claim.target,
            reason=verdict.reason,
            cure=verdict.cure,
        )

    def _loaded_verdict(self, claim: Claim, version: str | None) -> Verdict | None:
        loaded = self._loaded.get((claim.group, claim.name))
        if loaded is None or loaded.claim.distribution != claim.distribution:
            return None
        if loaded.stamp == claim.stamp():
            return Verdict(PluginState.LOADED)
        if loaded.claim.version == claim.version:
            return Verdict(PluginState.LOADED, "it was changed, and the code of before is in use", HAND_OVER)
        return Verdict(PluginState.LOADED, f"{loaded.claim.version} is in use, {version} installed", HAND_OVER)

    # --- other versions

    def stale(self) -> Mapping[str, str]:
        """Of which distributions code is loaded that is not what is installed, and what is the matter with it."""
        found: dict[str, str] = {}
        for (group, name), loaded in self._loaded.items():
            distribution = loaded.claim.distribution
            claims = [each for each in self._claims_of(group, name) if each.distribution == distribution]
            if not claims:
                found[distribution] = "it is no longer installed, and its code is in use"
            elif (row := self._row(claims[0])).state is PluginState.LOADED and row.reason is not None:
                found[distribution] = row.reason
            elif loaded.stamp != claims[0].stamp():
                found[distribution] = "another version of it is in use"
        return found

    def _claims_of(self, group: str, name: str) -> Sequence[Claim]:
        self._scan()
        return self._claims.get((group, name), ())

    def forget(self, *, in_use: Collection[str]) -> tuple[str, ...]:
        """Let go of the code of distributions that were installed anew, changed or removed: it is imported afresh.

        Only of those that are not ``in_use`` and have no hook or command loaded; the result names them. Whoever holds
        a class of theirs goes on with the old one.
        """
        others = {loaded.claim.distribution for (group, _), loaded in self._loaded.items() if group != EXCHANGES}
        let_go = tuple(sorted(self.stale().keys() - others - frozenset(in_use)))
        for key, loaded in [*self._loaded.items()]:
            if loaded.claim.distribution in let_go:
                del self._loaded[key]
                _forget_modules(loaded.modules)
        return let_go

    # --- one plugin

    def resolve(self, name: str, *, group: str = EXCHANGES) -> PluginRow:
        """The usable row that ``name`` means: the plugin NAME, or else the single installed ``NAME_<variant>``.

        Raises PluginNotFound, PluginConflict (several claim it, or several variants could be meant), PluginBroken,
        PluginIncompatible or PluginBlocked; one that is installed but unusable is never passed over for another.
        """
        installed = self.names(group)
        if name not in installed:
            variants = [other for other in installed if other.startswith(f"{name}_")] if group == EXCHANGES else []
            if not variants:
                raise self._not_found(name, group, installed)
            if len(variants) > 1:
                raise PluginConflict(
                    f"several plugins could be meant by {name!r}: {', '.join(variants)}",
                    plugin=name,
                    candidates=variants,
                    cure=f'name one of them: plugin = "{variants[0]}"',
                )
            name = variants[0]
        if group == EXCHANGES and name in self._registered:
            return self._registered[name].row
        rows = [self._row(claim) for claim in self._claims[group, name]]
        # What is blocked does not stand in the way of what is not.
        row = next((row for row in rows if row.state is not PluginState.BLOCKED), rows[0])
        if not row.usable:
            raise error_for(row, candidates=[rival.distribution or rival.target for rival in rows])
        return row

    def _not_found(self, name: str, group: str, installed: Sequence[str]) -> PluginNotFound:
        import difflib

        close = difflib.get_close_matches(name.lower(), installed, n=1)
        message = f"no plugin named {name!r} is installed"
        if close:
            return PluginNotFound(message, plugin=name, cure=f"did you mean {close[0]!r}?")
        convention = CONVENTIONS.get(group)
        cure = f"pip install {convention}{normalise(name)}" if convention else None
        return PluginNotFound(message, plugin=name, cure=cure)

    def get_plugin_class(self, name: str) -> type[ExchangePluginInterface]:
        """Import the plugin that ``name`` means (see :meth:`resolve`) and return its class.

        Raises what :meth:`resolve` raises, and PluginBroken when the import fails or yields no exchange plugin; the row
        is ``broken`` from then on, until :meth:`refresh`.
        """
        row = self.resolve(name)
        if row.name in self._registered:
            return self._registered[row.name].cls
        thing = self._load(row)
        return cast("type[ExchangePluginInterface]", thing)  # _load has made sure, with a message for people

    def get_plugin_metadata(self, name: str) -> ExchangeMetadata:
        """What the plugin's class says of itself; imports it. Raises what :meth:`get_plugin_class` raises."""
        cls = self.get_plugin_class(name)
        try:
            return cls.describe()
        except Exception as error:
            raise PluginBroken(
                f"plugin {name!r} cannot describe itself: {_where_and_what(error)}", plugin=name
            ) from error

    def load(self, name: str, *, group: str) -> object:
        """Import an entry point of any group (hook, command). Raises what :meth:`get_plugin_class` does."""
        if group == EXCHANGES:
            return self.get_plugin_class(name)
        return self._load(self.resolve(name, group=group))

    def _load(self, row: PluginRow) -> object:
        claim = next(claim for claim in self._claims[row.group, row.name] if claim.distribution == row.distribution)
        loaded = self._loaded.get((claim.group, claim.name))
        if loaded is not None and loaded.claim.distribution == claim.distribution:
            return loaded.thing
        cause: BaseException | None = None
        stamp, modules = claim.stamp(), claim.modules()
        try:
            thing: object
            if claim.file is None:
                thing = importlib.import_module(claim.module)
            else:
                from fra.core.host.plugins.local import load_file, module_name

                modules = frozenset((module_name(claim.file),))
                thing = load_file(claim.file)
            for part in filter(None, claim.attribute.split(".")):
                thing = getattr(thing, part)
            reason = _no_exchange(thing) if claim.group == EXCHANGES else None
        except (Exception, SystemExit) as error:  # a plugin that calls sys.exit() ends itself, not us
            reason, cause = f"importing it failed: {_where_and_what(error)}", error
        if reason is None:
            self._loaded[claim.group, claim.name] = _Loaded(thing, claim, stamp, modules)
            return thing
        cure = f"pip install --force-reinstall {claim.distribution}, or tell its author"
        if claim.file is not None:
            cure = f"mend {claim.file}"
        self._failed[claim] = Verdict(PluginState.BROKEN, reason, cure)
        raise error_for(self._row(claim)) from cause

    # --- at run time

    def register_plugin(self, name: str, plugin_class: type[ExchangePluginInterface], *, replace: bool = False) -> None:
        """Make a class known without a distribution; policy does not apply to what the program itself brings.

        Raises PluginConflict when the name is taken and not ``replace``, PluginBroken when it is no exchange plugin.
        """
        reason = _no_exchange(plugin_class)
        if reason is not None:
            raise PluginBroken(f"{name!r} cannot be registered: {reason}", plugin=name)
        if not replace and name in self.names():
            taken = [claim.distribution for claim in self._claims.get((EXCHANGES, name), ())] or ["this program"]
            raise PluginConflict(
                f"{name!r} is taken by {', '.join(taken)}", plugin=name, candidates=taken, cure="pass replace=True"
            )
        module = inspect.getmodule(plugin_class)
        row = PluginRow(
            name=name,
            group=EXCHANGES,
            state=PluginState.LOADED,
            distribution=None,
            version=None,
            origin=getattr(module, "__file__", None) or "run time",
            target=f"{plugin_class.__module__}:{plugin_class.__qualname__}",
        )
        self._registered[name] = _Registered(plugin_class, row)

    def unregister_plugin(self, name: str) -> None:
        """Undo :meth:`register_plugin`; an installed plugin of that name is seen again. Raises PluginNotFound."""
        if self._registered.pop(name, None) is None:
            raise PluginNotFound(
                f"nothing was registered as {name!r} at run time",
                plugin=name,
                cure="uninstall its distribution, or leave it off the allow-list",
            )


def _forget_modules(names: Collection[str]) -> None:
    """Drop these modules and packages: they are imported afresh when somebody asks for them."""
    for name in [*sys.modules]:
        if any(name == ours or name.startswith(f"{ours}.") for ours in names):
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                vars(sys.modules[parent]).pop(child, None)
    importlib.invalidate_caches()


def _no_exchange(thing: object) -> str | None:
    from fra.core.contract.exchange import ExchangePluginInterface

    if not (isinstance(thing, type) and issubclass(thing, ExchangePluginInterface)):
        return f"{thing!r} is no subclass of ExchangePluginInterface"
    if missing := sorted(getattr(thing, "__abstractmethods__", ())):
        return f"{thing.__qualname__} does not implement {', '.join(missing)}"
    return None


def _where_and_what(error: BaseException) -> str:
    """Type, message and the last line of the plugin's own that was running."""
    import traceback

    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError):
        return f"{what} ({error.filename}, line {error.lineno})" if "line" not in what else what
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_FROZEN) and frame.filename not in (_HERE, importlib.__file__)
    ]
    return f"{what} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else what
