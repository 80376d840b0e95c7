"""The desk that an empty database begins with: two queues, the ways to them, canned replies and macros."""

from datetime import time

from accounts.models import Company
from delinquency.models import CannedReply, Macro, MacroAction, QueueHours, Ticket, TicketQueue, TicketRoute

OPENS, CLOSES = time(8), time(18)
WORKDAYS = range(5)
BILLING, SUPPORT = "Billing", "Support"
QUEUES = (
    (BILLING, "Money: what is owed, paid, promised, disputed.", 480, 240, 2),
    (SUPPORT, "Everything else: questions, and people who cannot be reached.", 240, 240, 2),
)
ROUTES = {
    Ticket.Kind.DELINQUENCY: BILLING,
    Ticket.Kind.DISPUTE: BILLING,
    Ticket.Kind.UNREACHABLE: SUPPORT,
    Ticket.Kind.QUESTION: SUPPORT,
    Ticket.Kind.OTHER: SUPPORT,
}
PAY_EN = "{% if pay_url != '' %} You can see what is open and pay it here: {{ pay_url }}{% endif %}"
PAY_ES = "{% if pay_url != '' %} Aquí puede ver lo pendiente y pagarlo: {{ pay_url }}{% endif %}"
CANNED = (
    (
        "promise-thanks",
        "Thanks for the promise",
        "Thank you for getting in touch. I have noted that you will pay{% if amount_due != '' %} {{ currency }}"
        " {{ amount_due }}{% endif %}{% if promised_on != '' %} by {{ promised_on }}{% endif %}. Until then nothing"
        f" further happens to your service.{PAY_EN}",
        "Gracias por ponerse en contacto. He anotado que pagará{% if amount_due != '' %} {{ currency }}"
        " {{ amount_due }}{% endif %}{% if promised_on != '' %} hasta el {{ promised_on }}{% endif %}. Hasta entonces"
        f" no cambia nada en su servicio.{PAY_ES}",
    ),
    (
        "bank-waiting",
        "Bank payment is on its way",
        "Thank you. A payment by bank usually takes two to three business days to reach us. As soon as it is here it is"
        " recorded by itself; you need not do anything more.",
        "Gracias. Un pago por banco suele tardar de dos a tres días hábiles. En cuanto llegue se registra solo; no tiene"
        " que hacer nada más.",
    ),
    (
        "ask-contact",
        "Who should we write to?",
        "We have tried to reach you about account {{ account_number }} and could not. Please tell us the name, e-mail"
        " address and phone number of the person who sees to the bills, so that nothing gets lost.",
        "Hemos intentado hablar con usted sobre la cuenta {{ account_number }} sin conseguirlo. Díganos el nombre, el"
        " correo y el teléfono de quien se ocupa de las facturas, para que nada se pierda.",
    ),
    (
        "what-you-owe",
        "What is open",
        "{% if amount_due != '' %}On your account {{ currency }} {{ amount_due }} is open"
        "{% if oldest_invoice != '' %}; the oldest invoice is {{ oldest_invoice }}, due {{ oldest_due_on }}{% endif %}."
        f"{{% else %}}Nothing is open on your account.{{% endif %}} {{{{ next_step }}}}{PAY_EN}",
        "{% if amount_due != '' %}En su cuenta hay {{ currency }} {{ amount_due }} pendientes"
        "{% if oldest_invoice != '' %}; la factura más antigua es {{ oldest_invoice }}, con vencimiento el"
        f" {{{{ oldest_due_on }}}}{{% endif %}}.{{% else %}}En su cuenta no hay nada pendiente.{{% endif %}}"
        f" {{{{ next_step }}}}{PAY_ES}",
    ),
)  # fmt: skip
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
        key: CannedReply.objects.create(shortcut=key, title=title, text_en=english, text_es=spanish)
        for key, title, english, spanish in CANNED
    }
    for place, (name, purpose, actions) in enumerate(MACROS, 1):
        macro = Macro.objects.create(name=name, purpose=purpose, position=place)
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
