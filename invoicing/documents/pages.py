"""Facts → the texts of a page, in the customer's language. The templates only place what is said here."""

from decimal import Decimal
from typing import Any

from .facts import InvoiceFacts, Movement, PrintedLine, ReceiptFacts, totals_by_tax
from .pictures import drawing_of_code
from .words import NARROW, Tongue, printable

Page = dict[str, Any]
ZERO = Decimal("0.00")
ADDRESS_LINES_MAX = 8


def invoice_page(facts: InvoiceFacts) -> Page:
    """Return what is printed on an invoice."""
    tongue = Tongue(facts.customer.language)
    say, currency = tongue.say, facts.operator.currency
    keys = [
        [say("number"), printable(facts.number)],
        [say("issued"), tongue.day(facts.issued_on)],
        [say("due"), tongue.day(facts.due_on)],
        [say("account"), printable(facts.customer.number)],
    ]
    if facts.period:
        keys.insert(3, [say("period"), tongue.span(*facts.period)])
    asked = facts.state == "open" and not facts.disputed
    return {
        **_frame(facts, tongue, title=f"{say('invoice')} {facts.number}", heading=say("invoice")),
        "to_label": say("bill_to"),
        "keys": keys,
        "due": _due(facts, tongue),
        "columns": [
            say("description"),
            say("quantity"),
            say("price"),
            say("discount"),
            f"{say('amount')} ({currency})",
        ],
        "with_discount": any(line.discount for line in facts.lines),
        "lines": [_line(line, tongue) for line in facts.lines],
        "totals": _totals(facts, tongue),
        "movements_label": say("movements"),
        "movement_columns": [say("date"), say("description"), f"{say('amount')} ({currency})"],
        "movements": [_movement(row, tongue) for row in facts.movements],
        "pay": _pay(facts, tongue) if asked else None,
        "ageing": _ageing(facts, tongue) if facts.state != "void" else None,
        "watermark": say("state_void").upper() if facts.state == "void" else "",
    }


def receipt_page(facts: ReceiptFacts) -> Page:
    """Return what is printed on a receipt."""
    tongue = Tongue(facts.customer.language)
    say, currency = tongue.say, facts.operator.currency
    rows = [
        [printable(row.number), tongue.day(row.issued_on), tongue.day(row.due_on), tongue.sum(row.amount)]
        for row in facts.settled
    ]
    rows += [
        [say(key), "", "", tongue.sum(amount)]
        for key, amount in (("kept", facts.credit_left), ("refunded", facts.refunded))
        if amount
    ]
    return {
        **_frame(facts, tongue, title=f"{say('receipt')} {facts.reference}", heading=say("receipt")),
        "to_label": say("from"),
        "keys": [
            [say("reference"), printable(facts.reference)],
            [say("paid_on"), tongue.moment(facts.received_at)],
            [say("method"), printable(_method(facts, tongue))],
            [say("account"), printable(facts.customer.number)],
        ],
        "due": _received(facts, tongue),
        "settles_label": say("settles"),
        "columns": [say("invoice"), say("invoice_of"), say("due"), f"{say('amount')} ({currency})"],
        "rows": rows,
        "total": [f"{say('total')} ({currency})", tongue.sum(facts.amount)],
        "after_label": say("after"),
        "after": _after(facts.balance_after, tongue, currency),
        "questions": say("pay_call", phone=facts.operator.phone) if facts.operator.phone else "",
        "watermark": say("state_returned").upper() if facts.returned_on else "",
    }


def _frame(facts: InvoiceFacts | ReceiptFacts, tongue: Tongue, *, title: str, heading: str) -> Page:
    """Return what every document has: paper, who writes, to whom, and the foot of each page."""
    operator, customer = facts.operator, facts.customer
    lines = _address(operator.address, operator.name)
    if operator.phone:
        lines.append(f"{tongue.say('telephone')} {printable(operator.phone)}")
    to = [printable(customer.name, longest=NARROW)]
    if customer.contact and customer.contact != customer.name:
        to.append(printable(customer.contact, longest=NARROW))
    return {
        "language": tongue.code,
        "paper": operator.paper,
        "title": f"{printable(title)} – {printable(operator.name)}",
        "author": printable(operator.name),
        "operator": printable(operator.name),
        "operator_lines": lines,
        "logo_alt": tongue.say("logo", name=operator.name),
        "heading": heading,
        "to": to,
        "to_lines": _address(customer.address, customer.name),
        "foot": printable(title),
        "page": tongue.say("page", page="{page}", pages="{pages}"),
    }


def _address(text: str, name: str) -> list[str]:
    # Many write the name over the address; it stands there already.
    lines = [
        printable(line.strip()[:200], longest=NARROW) for line in text.splitlines() if line.strip() not in ("", name)
    ]
    return lines if len(lines) <= ADDRESS_LINES_MAX else [*lines[: ADDRESS_LINES_MAX - 1], "…"]


def _due(facts: InvoiceFacts, tongue: Tongue) -> Page:
    """Return the box that one reads first: how much by when, or why nothing is asked for."""
    say = tongue.say
    state = "disputed" if facts.disputed and facts.state == "open" else facts.state
    amount = tongue.sum(facts.remaining, facts.operator.currency)
    if state == "open":
        words = say("due_by", date=tongue.day(facts.due_on))
    elif state == "paid":
        last = max((row.on for row in facts.movements), default=None)
        words = say("settled_words") if last is None or not facts.paid else say("paid_words", date=tongue.day(last))
    else:
        words = say(f"{state}_words")
    tones = {"open": "ask", "paid": "good", "disputed": "note"}
    return {
        "label": say("amount_due"), "amount": amount, "words": words, "tone": tones.get(state, "quiet"),
        "state": "" if state == "open" else say(f"state_{state}"),
    }  # fmt: skip


def _line(line: PrintedLine, tongue: Tongue) -> list[str]:
    return [
        printable(line.description),
        str(line.quantity),
        tongue.sum(line.unit_price),
        tongue.sum(-line.discount) if line.discount else "",
        tongue.sum(line.net),
    ]


def _totals(facts: InvoiceFacts, tongue: Tongue) -> list[list[str]]:
    """Return label, sum and kind of each row under the lines; a row that says nothing new is left out."""
    say, currency = tongue.say, facts.operator.currency
    taxes = totals_by_tax(facts.lines)
    net = sum((line.net for line in facts.lines), ZERO)
    rows = [[say("subtotal"), tongue.sum(net), ""]] if taxes else []
    for share in taxes:
        name = printable(share.name) or say("tax")
        rows.append(
            [f"{name} {tongue.percent(share.percent)}" if share.percent else name, tongue.sum(share.amount), ""]
        )
    rows.append([f"{say('total')} ({currency})", tongue.sum(facts.amount), "total"])
    if facts.paid:
        rows.append([say("paid"), tongue.sum(-facts.paid), ""])
    if facts.credited:
        key = {"void": "state_void", "written_off": "state_written_off"}.get(facts.state, "credited")
        rows.append([say(key), tongue.sum(-facts.credited), ""])
    if facts.paid or facts.credited or facts.state != "open":
        rows.append([f"{say('amount_due')} ({currency})", tongue.sum(facts.remaining), "total"])
    return rows


def _movement(row: Movement, tongue: Tongue) -> list[str]:
    words = tongue.say(f"move_{row.kind}", reference=printable(row.reference))
    return [tongue.day(row.on), words, tongue.sum(row.amount)]


def _pay(facts: InvoiceFacts, tongue: Tongue) -> Page:
    say, operator = tongue.say, facts.operator
    return {
        "label": say("how_to_pay"),
        "online": say("pay_online"),
        "address": operator.portal_url,
        "shown": operator.portal_url.partition("://")[2].rstrip("/") or operator.portal_url,
        "with": say("pay_with", number=printable(facts.customer.number)),
        "call": say("pay_call", phone=printable(operator.phone)) if operator.phone else "",
        "code": drawing_of_code(operator.portal_url),
        "code_alt": say("code", address=operator.portal_url),
    }


def _ageing(facts: InvoiceFacts, tongue: Tongue) -> Page:
    say = tongue.say
    return {
        "label": say("ageing", date=tongue.day(facts.issued_on)),
        "words": f"{say('ageing_words')} ({facts.operator.currency})",
        "columns": [*(say(f"age_{place}") for place in range(len(facts.ageing))), say("age_total")],
        "sums": [*(tongue.sum(amount) for amount in facts.ageing), tongue.sum(sum(facts.ageing, ZERO))],
        "late": [place > 0 and bool(amount) for place, amount in enumerate(facts.ageing)],
    }


def _received(facts: ReceiptFacts, tongue: Tongue) -> Page:
    say, currency = tongue.say, facts.operator.currency
    if facts.returned_on:
        state, tone = "returned", "bad"
        words = say("returned_words", date=tongue.day(facts.returned_on))
    elif facts.refunded:
        state, tone, words = "refunded", "note", say("refund_words", sum=tongue.sum(facts.refunded, currency))
    else:
        state, tone, words = "received", "good", say("thanks")
    return {
        "label": say("received"), "amount": tongue.sum(facts.amount, currency), "words": words, "tone": tone,
        "state": say(f"state_{state}"),
    }  # fmt: skip


def _method(facts: ReceiptFacts, tongue: Tongue) -> str:
    if facts.card and facts.card[1]:
        brand, last4 = facts.card
        ending = "by_bank_ending" if facts.method == "bank" else "by_card_ending"
        return tongue.say(ending, brand=brand or tongue.say("by_card"), last4=last4)
    key = f"by_{facts.method}"
    return tongue.say(key) if tongue.knows(key) else facts.method


def _after(balance: Decimal, tongue: Tongue, currency: str) -> str:
    if balance == 0:
        return tongue.say("after_none")
    return tongue.say("after_owed" if balance > 0 else "after_credit", sum=tongue.sum(abs(balance), currency))
