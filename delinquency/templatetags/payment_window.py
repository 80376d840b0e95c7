"""A tag that tells whether pressing Pay opens the line, for the portal's pages (P07)."""

from dataclasses import dataclass
from datetime import datetime

from django import template

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.operations.paying import no_window_for
from netenforce.operations.windows import window_length
from netenforce.queries import active_holds, running_windows

register = template.Library()


@dataclass(frozen=True, slots=True)
class WindowWords:
    """What a page says of payment windows: one runs, none will be opened, or the next press opens one."""

    until: datetime | None = None
    refused: str = ""
    minutes: int = 0


@register.simple_tag
def payment_window(account: Account) -> WindowWords:
    """Return what to say to a customer about paying with a new card; nothing where no line is restricted over money."""
    running = running_windows([account.pk]).get(account.pk)
    if running is not None and running.kind == running.Kind.RELEASE:
        return WindowWords()  # staff gave hours of full access; there is nothing to say about paying
    if running is not None:
        return WindowWords(until=clock.local(running.closes_at, account.timezone))
    holds = active_holds([account.pk]).get(account.pk, [])
    if not any(hold.over_money for hold in holds):
        return WindowWords()
    refusal = no_window_for(account)
    if refusal is not None:
        return WindowWords(refused=refusal.words)
    return WindowWords(minutes=window_length().seconds // 60)
