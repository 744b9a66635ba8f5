"""Opening the exchanges of one command: from the configuration, or by plugin name with default settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

from fra.cli.installed import account_names, public_exchanges, registry_of, simulated_exchanges
from fra.core import (
    ConfigError,
    ConfigManager,
    ExchangeConfig,
    ExchangeHandle,
    ExchangeMetadata,
    FraError,
    PluginManager,
    PluginNotFound,
)

if TYPE_CHECKING:
    from fra.core import ConnectionChanged

R = TypeVar("R")


@final
class Session:
    """The exchanges that one command talks to. Each is opened when it is first asked for, and in nobody's way."""

    def __init__(self, manager: PluginManager, names: Sequence[str]) -> None:
        self._manager = manager
        self._opening: dict[str, asyncio.Task[ExchangeHandle]] = {}
        self.names: tuple[str, ...] = tuple(names)

    async def handle(self, name: str) -> ExchangeHandle:
        """The connected exchange. Raises why it could not be opened; asking again then tries again."""
        task = self._opening.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._opening[name] = asyncio.create_task(self._manager.reload_plugin(name), name=f"open {name}")
            # Somebody may have stopped waiting for it by the time it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def each(self, work: Callable[[ExchangeHandle], Coroutine[object, object, R]]) -> dict[str, R | FraError]:
        """Do ``work`` with every exchange at once; each yields its result or its error."""

        async def one(name: str) -> R | FraError:
            try:
                return await work(await self.handle(name))
            except FraError as error:
                return error

        answers = await asyncio.gather(*map(one, self.names))
        return dict(zip(self.names, answers, strict=True))

    def config(self, name: str) -> ExchangeConfig:
        """What the exchange was told: whether it is a sandbox, where it is reached, whether there are credentials."""
        return self._manager.config_manager.get_exchange_config(name)

    async def account(self, what: str) -> ExchangeHandle:
        """The one exchange that a command acts on. Raises CommandFailed when it is not clear which."""
        if len(self.names) > 1:
            from fra.cli.exit_codes import CommandFailed, ExitCode

            raise CommandFailed(
                f"{what} needs one exchange, and there are {', '.join(self.names)}",
                exit_code=ExitCode.USAGE,
                cure=f"-e {self.names[0]}",
            )
        return await self.handle(self.names[0])

    def on_connection(self, listener: Callable[[ConnectionChanged], object]) -> Callable[[], None]:
        """Call ``listener`` when the status of an exchange changes; the result removes it."""
        from fra.core import ConnectionChanged

        return self._manager.register_event_handler(ConnectionChanged, listener)

    async def _close(self) -> None:
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)


@asynccontextmanager
async def open_session(
    config: Path | None = None,
    exchanges: Sequence[str] = (),
    *,
    settings: ConfigManager | Mapping[str, Mapping[str, object]] | None = None,
    wanted: Callable[[ExchangeMetadata], bool] | None = None,
    accounts: bool = False,
) -> AsyncIterator[Session]:
    """The exchanges named, else all that are configured, else every installed one that needs no key.

    ``settings`` (name → the keys of fra.toml, or a whole configuration) is used instead of a configuration file.
    ``wanted`` picks among the installed ones when nothing is named or configured. ``accounts``: those that are not
    named count only where there is an account, configured or simulated. Raises ConfigError, or PluginNotFound when
    nothing is left.
    """
    if isinstance(settings, ConfigManager):
        configuration = settings
    elif settings is not None:
        configuration = ConfigManager.from_mapping({"exchanges": dict(settings)})
    else:
        configuration = ConfigManager().load_config(config)
    registry = registry_of(configuration)
    configured = configuration.names()
    names = tuple(dict.fromkeys(exchanges)) or configured
    if accounts and not exchanges:
        names = account_names(configuration, registry) if configured else simulated_exchanges(registry)
        if not names:
            raise ConfigError("no account is configured", cure="fra config init")
    if configured:
        for name in names:
            configuration.get_exchange_config(name)
    else:
        names = names or public_exchanges(registry, wanted)
        for name in names:
            registry.resolve(name)
        tables: dict[str, object] = {name: {} for name in names}
        configuration = ConfigManager.from_mapping({"exchanges": tables})
    if not names:
        installed = ", ".join(registry.names())
        if installed:
            raise PluginNotFound(
                f"none of the installed exchanges can be used: {installed}", plugin="*", cure="fra plugins"
            )
        raise PluginNotFound("no exchange is installed", plugin="*", cure="pip install fra-exchange-okx")
    manager = PluginManager.from_config(configuration, registry=registry, only=())
    async with manager:
        session = Session(manager, names)
        try:
            yield session
        finally:
            await session._close()


def run(work: Coroutine[object, object, R]) -> R:
    """Run a command's work to its end; Ctrl-C cancels it, and everything that it opened is closed."""
    return asyncio.run(work)
