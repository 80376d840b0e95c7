"""What a colleague should know who gets a ticket handed over: the account in five lines (H12)."""

from accounts.models import Account
from billing_project.kernel import clock

from .glance import glance, upcoming
from .promised import record_of
from .rules.desk import day_words

LAST_WORDS = 200


def context_of(account: Account, last_said: str = "") -> str:
    """Return where an account stands now: what it owes, since when, what comes next, and what its customer last said.

    Raises Refused if the account's policy cannot be read.
    """
    seen = glance(account)
    owed = f"Owes {seen.position.balance:,.2f} {seen.currency}"
    if seen.oldest is not None:
        late = f", {seen.days_late} days late" if seen.days_late else ""
        owed += f"; oldest unpaid {seen.oldest.number}, due {seen.oldest.due_on}{late}"
    lines = [f"{owed}."]
    if seen.delinquent_since:
        back = f"; {seen.restore:,.2f} {seen.currency} restores service" if seen.cut_off else ""
        lines.append(f"Delinquent since {seen.delinquent_since}, line {seen.worst}{back}.")
    if seen.protected_through:
        lines.append(f"Grace: protected through {day_words(seen.protected_through)}.")
    record = record_of(account, seen.today)
    if record.open is not None:
        lines.append(f"Promised {record.open.promised:,.2f} by {day_words(record.open.pay_by_on)}.")
    elif record.words:
        lines.append(f"Promises so far: {record.words}.")
    steps = upcoming(account, seen.standing, most=1)
    lines += [f"Next: {step.words} on {day_words(step.at.date())}." for step in steps]
    if last_said:
        short = " ".join(last_said.split())
        lines.append(f"Customer last wrote: “{short[:LAST_WORDS]}{'…' if len(short) > LAST_WORDS else ''}”")
    now = clock.local(clock.now(), account.timezone)
    return f"The account as of {now:%Y-%m-%d %H:%M}:\n" + "\n".join(lines)
