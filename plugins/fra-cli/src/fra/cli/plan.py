"""No real order by accident: a plan is shown, and what it takes to have it sent depends on whose money it moves."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence

import attrs
import click

from fra.cli import plan_id
from fra.cli.account import Account
from fra.cli.consent import Consent
from fra.cli.exit_codes import CommandFailed
from fra.cli.table import say


@attrs.frozen(kw_only=True)
class Plan:
    """What would be sent, on which accounts, in words that a user types to confirm.

    ``terms`` is everything that makes the plan what it is, as JSON types; ``command`` is what the user typed, without
    consent. ``amount`` is what is at stake, as shown: ``1000 USDT``.
    """

    accounts: Sequence[Account]
    terms: Mapping[str, object]
    amount: str
    command: str
    id: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "id", plan_id.issue(self._bound))

    @property
    def _bound(self) -> dict[str, object]:
        return {**self.terms, "accounts": [[account.name, account.kind.value] for account in self.accounts]}

    @property
    def live(self) -> bool:
        return any(account.live for account in self.accounts)

    @property
    def phrase(self) -> str:
        """What is typed to confirm: the venues and the notional."""
        return " ".join([*(account.name for account in self.accounts), self.amount])

    @property
    def send_with(self) -> str:
        """The command that sends this plan without a terminal."""
        flags = f"--live --confirm {self.id}" if self.live else "--yes"
        return f"{self.command} {flags}"

    def tell(self) -> None:
        """Say on stderr that this is only a plan, and how it is sent."""
        where = ", ".join(map(str, self.accounts))
        say(f"fra: this is the plan for {where}; nothing was sent → {self.send_with}")

    def permits(self, consent: Consent) -> bool:
        """Whether to send. Raises CommandFailed where the consent is not enough for these accounts."""
        if not consent.given:
            return False
        if consent.plan_id is not None and (consent.live or not self.live):
            plan_id.verify(consent.plan_id, self._bound)
            return True
        if not self.live:
            if consent.yes:
                return True
            names = ", ".join(map(str, self.accounts))
            raise CommandFailed(f"{names}: there is no live account here, nothing was sent", cure=self.send_with)
        names = ", ".join(account.name for account in self.accounts if account.live)
        if not consent.live:
            raise CommandFailed(
                f"{names}: live money needs --live and a confirmation, nothing was sent", cure=self.send_with
            )
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise CommandFailed(
                f"{names}: without a terminal live money needs the plan's id, nothing was sent", cure=self.send_with
            )
        typed = click.prompt(f'fra: this is LIVE on {names}; type "{self.phrase}" to send it', err=True, default="")
        if " ".join(str(typed).split()) != self.phrase:
            raise CommandFailed("it was not confirmed: nothing was sent")
        return True

    def seed(self, consent: Consent) -> str:
        """What client order ids are made from: one confirmed plan has the same ids however often it is sent."""
        return consent.plan_id if consent.plan_id is not None else self.id + secrets.token_hex(8)


def command_line(*words: str | None) -> str:
    """A command as one types it: ``fra`` and the words that are there."""
    return shlex.join(["fra", *(word for word in words if word is not None)])
