"""What a letter tells the customer: what is owed, what is so already, and what comes next."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from django.conf import settings

from accounts.access import make_link_token
from billing_project.kernel import clock, money

from ..reading import Position
from ..rules.actions import Event, Kind
from ..rules.facts import CENT, InvoiceState
from ..rules.outlook import Moment
from ..rules.policy import Do
from ..rules.timeline import advance
from ..rules.when import LOOK

LOOKS_AHEAD = timedelta(days=60)
# In the customer's words, by language: what a restriction or a switch means, now and ahead.
NOW = {
    "en": {
        "throttle": "Your line is slowed from today.",
        "walled_garden": "From today only our payment page can be reached.",
        "suspend": "Your service is suspended from today.",
    },
    "es": {
        "throttle": "Desde hoy su línea es más lenta.",
        "walled_garden": "Desde hoy solo se puede abrir nuestra página de pago.",
        "suspend": "Desde hoy su servicio está suspendido.",
    },
}
SINCE = {
    "en": {
        "throttle": "Your line has been slowed since {on}.",
        "walled_garden": "Since {on} only our payment page can be reached.",
        "suspend": "Your service has been suspended since {on}.",
    },
    "es": {
        "throttle": "Su línea es más lenta desde el {on}.",
        "walled_garden": "Desde el {on} solo se puede abrir nuestra página de pago.",
        "suspend": "Su servicio está suspendido desde el {on}.",
    },
}
AHEAD = {
    "en": {
        "throttle": "your line is slowed",
        "walled_garden": "only our payment page can be reached",
        "suspend": "your service is suspended",
        "status_switch": "billing and service stop",
        "late_fee": "a late fee of {amount} is charged",
    },
    "es": {
        "throttle": "su línea será más lenta",
        "walled_garden": "solo se podrá abrir nuestra página de pago",
        "suspend": "su servicio se suspenderá",
        "status_switch": "se detendrán la facturación y el servicio",
        "late_fee": "se cobrará un recargo de {amount}",
    },
}
SENTENCE = {"en": "If nothing is paid, {what} on {on}.", "es": "Si no se paga nada, {what} el {on}."}


def letter(position: Position, causes: Iterable[object], until: Moment, *, ahead: Event | None) -> dict[str, str]:
    """Return the texts that a letter about some unpaid invoices may use; ``ahead`` is what `next_harm` says."""
    account, held = position.account, position.state.invoices
    invoices = [held[key] for key in causes if key in held]
    oldest = min(invoices, key=lambda invoice: (invoice.due_on, invoice.number), default=None)
    unpaid = money.text(sum((invoice.remaining for invoice in invoices), start=Decimal("0.00")))
    return {
        "amount_due": unpaid,
        "restore_amount": unpaid,
        "currency": account.company.currency,
        "oldest_due_on": _due_on(oldest),
        "oldest_invoice": oldest.number if oldest else "",
        "next_step": _words("en", position, ahead, until[0].date()),
        "next_step_es": _words("es", position, ahead, until[0].date()),
        "pay_url": f"{settings.PUBLIC_BASE_URL}/portal/enter/{make_link_token(account)}/",
    }


def standing_texts(position: Position) -> dict[str, str]:
    """Return the texts of a letter about how an account stands now: what is late, or else what is unpaid."""
    zone = position.account.timezone
    now = clock.local(clock.now(), zone)
    unpaid = [invoice for invoice in position.state.invoices.values() if invoice.remaining >= CENT]
    late = [invoice for invoice in unpaid if invoice.due_on < now.date()]
    until = (now, LOOK)
    return letter(position, [invoice.key for invoice in late or unpaid], until, ahead=next_harm(position, until))


def _due_on(invoice: InvoiceState | None) -> str:
    return invoice.due_on.isoformat() if invoice else ""


def next_harm(position: Position, until: Moment) -> Event | None:
    """Return the next fee, restriction or switch that will happen if nothing is paid: the same rules, ahead (D2).

    None while the airbag holds the account: nobody knows then what comes next, so letters do not say.
    """
    if position.state.grounded:
        return None
    end = (until[0] + LOOKS_AHEAD, LOOK)
    events = advance(position.state.copy(), [], position.policy, end, after=until)
    harms = (Kind.LATE_FEE, Kind.RESTRICTED, Kind.STATUS_SWITCH)
    return next((event for event in events if event.kind in harms), None)


def _words(language: str, position: Position, ahead: Event | None, today: date) -> str:
    words = [_in_force(language, position, today)]
    if ahead is not None:
        level = ahead.step.level if ahead.kind is Kind.RESTRICTED and ahead.step else str(ahead.kind)
        amount = "" if ahead.amount is None else f"{position.account.company.currency} {money.text(ahead.amount)}"
        what = AHEAD[language][level].format(amount=amount)
        words.append(SENTENCE[language].format(what=what, on=ahead.on.isoformat()))
    return " ".join(word for word in words if word)


def _in_force(language: str, position: Position, today: date) -> str:
    """Return what is so already, and since when; an empty text if nothing is."""
    cuts = [cut for cut in position.state.cuts if cut.action == Do.RESTRICT]
    if not cuts:
        return ""
    hardest = max(cuts, key=lambda cut: list(NOW[language]).index(cut.level))
    run = position.step_runs.get((hardest.step_key, hardest.anchor))
    if run is None or run.on >= today:
        return NOW[language][hardest.level]
    return SINCE[language][hardest.level].format(on=run.on.isoformat())
