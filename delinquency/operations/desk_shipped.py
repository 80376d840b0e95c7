"""The desk that an empty database begins with: two queues, the ways to them, canned replies and macros."""

import json
from datetime import time
from pathlib import Path

from accounts.models import Company
from delinquency.models import CannedReply, Macro, MacroAction, QueueHours, Ticket, TicketQueue, TicketRoute

TEXTS = Path(__file__).parent.parent / "shipped_canned_replies.json"
OPENS, CLOSES = time(8), time(18)
WORKDAYS = range(5)
BILLING, SUPPORT = "Billing", "Support"
QUEUES = (
    (BILLING, "Money: what is owed, paid, promised, disputed.", 480, 240, 2),
    (SUPPORT, "Everything else: questions, people who cannot be reached, devices that do not obey.", 240, 240, 2),
)
ROUTES = {
    Ticket.Kind.DELINQUENCY: BILLING,
    Ticket.Kind.DISPUTE: BILLING,
    Ticket.Kind.UNREACHABLE: SUPPORT,
    Ticket.Kind.NETWORK: SUPPORT,
    Ticket.Kind.QUESTION: SUPPORT,
    Ticket.Kind.OTHER: SUPPORT,
}
Does = MacroAction.Does
FRIDAY = 4
MACROS: tuple[tuple[str, str, tuple[dict[str, object], ...]], ...] = (
    (
        "Promises to pay Friday",
        "The customer says they will pay by Friday: answer, note the promise, wait.",
        (
            {"does": Does.PROMISE_ON, "weekday": FRIDAY},
            {"does": Does.REPLY, "canned": "promise-thanks"},
            {"does": Does.WAIT},
        ),
    ),
    (
        "Paid by bank, waiting",
        "The money is under way: answer, and look again in four days.",
        (
            {"does": Does.REPLY, "canned": "bank-waiting"},
            {"does": Does.WAIT, "days": 4, "text": "bank payment on its way"},
        ),
    ),
    (
        "Wrong number, ask for contact",
        "Nobody is reached at the number: ask in writing who sees to the bills.",
        (
            {"does": Does.NOTE, "text": "Wrong number; asked in writing for the right contact."},
            {"does": Does.REPLY, "canned": "ask-contact"},
            {"does": Does.WAIT, "days": 7},
        ),
    ),
    (
        "Hand over to billing",
        "Billing must see to it: moves it there with the account's state attached.",
        ({"does": Does.QUEUE, "queue": BILLING, "text": "needs billing"},),
    ),
)


def ensure_desk() -> None:
    """Make queues, routes, canned replies and macros where there have never been any."""
    queues = {row.name: row for row in TicketQueue.objects.all()}
    if not queues:
        queues = _queues()
    if not TicketRoute.objects.exists() and BILLING in queues and SUPPORT in queues:
        TicketRoute.objects.bulk_create(TicketRoute(kind=kind, queue=queues[name]) for kind, name in ROUTES.items())
    if CannedReply.history.exists() or Macro.history.exists():
        return
    canned = {
        row["shortcut"]: CannedReply.objects.create(
            shortcut=row["shortcut"], title=row["title"], text_en=row["en"], text_es=row["es"]
        )
        for row in json.loads(TEXTS.read_text(encoding="utf-8"))
    }
    for place, (name, purpose, actions) in enumerate(MACROS, 1):
        macro = Macro.objects.create(name=name, purpose=purpose, position=place)
        if any(action.get("queue") == BILLING for action in actions) and SUPPORT in queues:
            macro.queues.set([queues[SUPPORT]])  # in billing there is nobody to hand it over to
        for position, action in enumerate(actions, 1):
            values = dict(action)
            if "canned" in values:
                values["canned"] = canned[str(values["canned"])]
            if "queue" in values:
                values["queue"] = queues.get(str(values["queue"])) or next(iter(queues.values()))
            MacroAction.objects.create(macro=macro, position=position, **values)


def _queues() -> dict[str, TicketQueue]:
    found = {}
    zone = Company.objects.order_by("pk").values_list("timezone", flat=True).first() or "UTC"
    for place, (name, purpose, first, later, priority) in enumerate(QUEUES, 1):
        queue = TicketQueue.objects.create(
            name=name, purpose=purpose, first_response_minutes=first, next_response_minutes=later,
            default_priority=priority, position=place, timezone=zone,
        )  # fmt: skip
        QueueHours.objects.bulk_create(
            QueueHours(queue=queue, weekday=day, opens=OPENS, closes=CLOSES) for day in WORKDAYS
        )
        found[name] = queue
    return found
