"""`fra completion`: the script that teaches a shell to complete fra."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the completion script of a shell: eval "$(fra completion bash)"."""
    from click.shell_completion import BashComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    if issubclass(kind, BashComplete):
        # The check starts a bash of its own to ask for its version, which is not the one that will read the script.
        kind._check_version = staticmethod(lambda: None)  # type: ignore[method-assign]
    context = click.get_current_context().find_root()
    click.echo(kind(context.command, {}, "fra", "_FRA_COMPLETE").source())
