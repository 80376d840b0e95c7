"""What was decided in an evidence pack, and by which rules: account, policies, events with what was compared."""

from collections.abc import Sequence
from typing import Any

from delinquency.explained import facts_in_words
from delinquency.models import Dispute, Event, GraceGrant, PolicyMove, PolicyVersion, Promise, Standing
from delinquency.policy_file import export_version
from invoicing.models import BillingParameters
from netenforce.models import EnforcementAttempt, EnforcementTask, Hold

from .sections import Span, Table, table


def the_account(span: Span) -> Table:
    """Return the standing facts of the account."""
    account = span.account
    standing = Standing.objects.filter(account=account).select_related("policy_version__policy").first()
    billing = BillingParameters.objects.filter(account=account).select_related("billing_default").first()
    rows: list[tuple[str, Any]] = [
        ("Number", account.number), ("Name", account.name), ("Company", account.company.name),
        ("Type", account.account_type.name),
        ("Status", f"{account.status.name}, since {span.at(account.status_since_at)}"),
        ("Time zone of all times in this pack", account.timezone), ("Address", account.address),
        ("Opened", account.opened_on), ("Closed", account.closed_on),
        ("Billing default", billing.billing_default if billing else ""),
        ("Next bill", billing.next_bill_on if billing else ""),
        ("Policy version", standing.policy_version if standing else ""),
        ("Delinquent since", standing.delinquent_since if standing else ""),
        ("Grace until", standing.grace_until if standing else ""),
        ("Flagged as a late payer", standing.flagged_on if standing else ""),
    ]  # fmt: skip
    return table("account", "The account", ("Fact", "Value"), [row for row in rows if row[1]], empty="")


def policies(span: Span) -> tuple[Table, dict[str, Any]]:
    """Return the policy versions by which the span's events were decided, and their policy files by version."""
    used = Event.objects.filter(account=span.account, **span.days("on")).exclude(policy_version=None)
    keys = set(used.values_list("policy_version", flat=True))
    keys |= set(Standing.objects.filter(account=span.account).values_list("policy_version", flat=True))
    moves = PolicyMove.objects.filter(account=span.account, **span.during("moved_at")).order_by("moved_at", "pk")
    told = [
        f"{span.at(one.moved_at)} from {one.from_version} to {one.to_version}: {one.reason}"
        for one in moves.select_related("from_version__policy", "to_version__policy")
    ]
    versions = PolicyVersion.objects.filter(pk__in=keys - {None}).select_related("policy").order_by("pk")
    files = {str(one): export_version(one) for one in versions}
    rows = [(str(one), span.at(one.published_at), _terms(files[str(one)])) for one in versions]
    made = table(
        "policies", "Policies that applied", ("Version", "Published", "Terms"), rows,
        empty="No policy decided anything in these days.", note="Moved: " + "; ".join(told) if told else "",
    )  # fmt: skip
    return made, files


def _terms(file: dict[str, Any]) -> str:
    """Write a policy file for people: what it sets, then its steps, a line each."""
    plain = {key: value for key, value in file.items() if key not in ("steps", "exclusions", "name")}
    lines = ["; ".join(f"{_name(key)}: {_value(value)}" for key, value in plain.items() if value not in (None, "", []))]
    for step in file["steps"]:
        rest = {key: value for key, value in step.items() if key != "key" and not _is_blank(value)}
        lines.append(f"{step['key']}: " + ", ".join(f"{_name(key)} {_value(value)}" for key, value in rest.items()))
    lines += [
        f"excluded: {one['name']}, {one['month']:02d}-{one['day']:02d} {one['year'] or 'every year'}"
        for one in file["exclusions"]
    ]
    return "\n".join(lines)


def _is_blank(value: Any) -> bool:
    return value is None or value is False or value == "" or value == []


def _name(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)


def events(span: Span) -> Table:
    """Return the journal of the span: each event, why, and the values that were compared."""
    found = Event.objects.filter(account=span.account, **span.days("on")).select_related("invoice")
    rows = [
        (
            one.local_at.replace("T", " "), one.kind.replace("_", " "), one.invoice.number if one.invoice else "",
            one.amount, one.step, one.rule, one.why,
            "; ".join(f"{name}: {value}" for name, value in facts_in_words(one.facts)),
        )
        for one in found.order_by("sequence")
    ]  # fmt: skip
    return table(
        "events", "What happened, and why",
        ("At", "What", "Invoice", "Amount", "Step", "Rule", "Why", "Compared"), rows,
        empty="Nothing happened in these days.", right=("Amount",),
    )  # fmt: skip


def more_time(span: Span) -> Table:
    """Return grace given, promises and disputes."""
    account = span.account
    rows: list[tuple[Any, ...]] = [
        (span.at(one.granted_at), "grace", f"until {one.until_on}", one.granted_by or "", one.reason)
        for one in GraceGrant.objects.filter(account=account, **span.during("granted_at")).select_related("granted_by")
    ]
    rows += [
        (
            span.at(one.made_at), "promise", f"to pay {one.amount or one.owed} by {one.pay_by_on}: "
            f"{one.get_state_display()} {one.decided_on or ''}".strip(), one.made_by or "",
            "; ".join(filter(None, (one.note, one.decided_why))),
        )
        for one in Promise.objects.filter(account=account, **span.during("made_at")).select_related("made_by")
    ]  # fmt: skip
    rows += [
        (
            span.at(one.opened_at), "dispute", f"of invoice {one.invoice.number}: {one.get_state_display()}",
            "the customer" if one.by_customer else one.opened_by or "",
            "; ".join(filter(None, (one.text, one.decided_why))),
        )
        for one in Dispute.objects.filter(account=account, **span.during("opened_at")).select_related(
            "invoice", "opened_by"
        )
    ]  # fmt: skip
    return table(
        "more_time", "Grace, promises and disputes", ("At", "What", "Which", "By", "Why"), sorted(rows, key=_first),
        empty="No grace was given, nothing was promised, and nothing disputed in these days.",
    )  # fmt: skip


def _first(row: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(cell) for cell in row)


def holds(span: Span) -> Table:
    """Return the causes that held lines back at any time of the span."""
    found = Hold.objects.filter(account=span.account, placed_at__lt=span.end).exclude(lifted_at__lt=span.start)
    rows = [
        (
            span.at(one.placed_at), one.get_cause_display(), one.get_level_display(), one.why, one.placed_by or "",
            span.at(one.lifted_at), one.lifted_why,
        )
        for one in found.select_related("placed_by").order_by("placed_at", "pk")
    ]  # fmt: skip
    return table(
        "holds", "What held lines back", ("Since", "Cause", "Level", "Why", "By", "Lifted", "Why lifted"), rows,
        empty="No line was held back in these days.",
    )  # fmt: skip


def orders(span: Span) -> Table:
    """Return the orders to devices about the account's lines, with what each device read back."""
    found = EnforcementTask.objects.filter(line__account=span.account, **span.during("created_at"))
    tasks = list(found.select_related("line", "device").order_by("created_at", "pk"))
    tries: dict[int, list[str]] = {}
    for one in EnforcementAttempt.objects.filter(task__in=tasks).order_by("at", "pk"):
        said = " ".join(filter(None, (span.at(one.at), one.outcome, one.read_back, one.detail)))
        tries.setdefault(one.task_id, []).append(said)
    rows = [
        (
            span.at(task.created_at), task.line, task.device.name, task.get_level_display(), task.why,
            task.get_state_display(), "\n".join(tries.get(task.pk, [])),
        )
        for task in tasks
    ]  # fmt: skip
    return table(
        "orders", "Orders to devices", ("At", "Line", "Device", "Level", "Why", "State", "What the device read back"),
        rows, empty="Nothing was ordered of a device in these days.",
    )  # fmt: skip
