"""Accounts, where they stand, and what protects or holds them."""

from typing import Any, cast

from django.db import transaction
from django.db.models import Prefetch, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest
from ninja import Router

from accounts.models import Account, AccountStatus, Contact
from accounts.operations import change_status
from accounts.outreach.addresses import checked_email
from accounts.outreach.numbers import in_international_form
from delinquency.glance import ZERO, glance, upcoming
from delinquency.imports.accounts import import_accounts
from delinquency.models import GraceGrant
from delinquency.operations.grace import grant_grace
from netenforce.models import Hold
from netenforce.operations.by_hand import lift_by_hand, place_by_hand

from . import forms
from .calls import need, once
from .paging import Limit, page
from .problems import Problem
from .rows import import_row

router = Router(tags=["accounts"])


def found(number: str) -> Account:
    """Return the account of a number; raises Http404."""
    account = _rows().filter(number=number).first() if "\0" not in number else None
    if account is None:
        raise Http404(f"There is no account {number[:64]!r}.")
    return cast(Account, account)


def _rows() -> QuerySet[Any]:
    unpaid = Coalesce(Sum("invoices__remaining"), ZERO)
    people = Prefetch("contacts", Contact.objects.filter(is_billing_contact=True), to_attr="billing")
    rows = Account.objects.select_related("status", "account_type", "company", "standing").annotate(unpaid=unpaid)
    return rows.prefetch_related(people)


def _shown(row: Any) -> dict[str, Any]:
    person, standing = (row.billing or [None])[0], getattr(row, "standing", None)
    return {
        "number": row.number, "id": str(row.public_id), "name": row.name, "status": row.status.name,
        "billed": row.status.activates_billing, "type": row.account_type.name, "company": row.company.name,
        "currency": row.company.currency, "timezone": row.timezone, "opened_on": row.opened_on,
        "closed_on": row.closed_on, "unpaid": forms.two(row.unpaid),
        "delinquent_since": standing.delinquent_since if standing else None,
        "contact": {"name": person.name, "email": person.email, "phone": person.phone} if person else None,
    }  # fmt: skip


@router.get("", response=forms.AccountPage, summary="List accounts, newest first")
def many(
    request: HttpRequest, status: str = "", delinquent: bool | None = None, after: str = "",
    limit: Limit = 50,
) -> Any:  # fmt: skip
    """Read on with ``after``; filter by status, and by whether they are delinquent."""
    need(request, "accounts.view_account", "accounts.view_contact")
    rows = _rows()
    if status:
        rows = rows.filter(status__name=_text(status))
    if delinquent is not None:
        rows = rows.filter(standing__delinquent_since__isnull=not delinquent)
    return page(rows, after=after, limit=limit, show=_shown)


@router.post("", response={201: forms.AccountOut}, summary="Open an account")
def add(request: HttpRequest, data: forms.AccountIn) -> Any:
    """Open an account as an import would, with its contact, line and monthly charge."""
    need(request, "accounts.add_account")

    def act() -> tuple[int, dict[str, Any]]:
        if Account.objects.filter(number=data.number).exists():
            raise Problem(409, "number_taken", f"There is an account {data.number} already; it is left as it is.")
        cells = data.dict()
        optional = ("address", "ipv4", "radius_username", "monthly_charge")
        import_row(import_accounts, {name: cells[name] for name in cells if name not in optional or cells[name]})
        return 201, _shown(found(data.number))

    return once(request, act)


@router.get("/{number}", response=forms.AccountOut, summary="One account")
def one(request: HttpRequest, number: str) -> Any:
    """Return one account by its number."""
    need(request, "accounts.view_account", "accounts.view_contact")
    return _shown(found(number))


@router.post("/{number}/status", response={200: forms.AccountOut}, summary="Change the status")
def set_status(request: HttpRequest, number: str, data: forms.StatusIn) -> Any:
    """Move an account to another status; the status decides whether it is billed (D1)."""
    user = need(request, "accounts.set_status")

    def act() -> tuple[int, dict[str, Any]]:
        account = found(number)
        status = AccountStatus.objects.filter(name=_text(data.status)).first()
        if status is None:
            names = ", ".join(AccountStatus.objects.values_list("name", flat=True)[:20])
            raise Problem(422, "unknown_status", f"There is no status {data.status!r}; there are {names}.")
        change_status(account, status, reason=data.reason, by=user)
        return 200, _shown(found(number))

    return once(request, act)


@router.post("/{number}/contact", response={200: forms.AccountOut}, summary="Change the billing contact")
def set_contact(request: HttpRequest, number: str, data: forms.ContactIn) -> Any:
    """Change name, e-mail or phone of the billing contact; what was not given stays."""
    user = need(request, "accounts.change_contact")

    def act() -> tuple[int, dict[str, Any]]:
        account = found(number)
        if not account.billing:  # type: ignore[attr-defined]
            raise Problem(422, "no_contact", f"Account {number} has no billing contact; add one in the back office.")
        person: Contact = account.billing[0]  # type: ignore[attr-defined]
        person.name = data.name if data.name is not None else person.name
        if data.email is not None:
            person.email = checked_email(data.email, sure=True) if data.email else ""
        if data.phone is not None:
            person.phone = in_international_form(data.phone, country="US") if data.phone else ""
        person._change_reason, person._history_user = data.reason, user  # type: ignore[attr-defined]
        person.save(update_fields=["name", "email", "phone"])
        return 200, _shown(found(number))

    return once(request, act)


@router.get("/{number}/standing", response=forms.StandingOut, summary="Where an account stands")
def standing(request: HttpRequest, number: str) -> Any:
    """Return what is owed, what restores service, how the lines are, and the next six steps with their dates."""
    need(request, "accounts.view_account", "delinquency.view_standing")
    account = found(number)
    seen = glance(account)
    return forms.standing_out(seen, upcoming(account, seen.standing))


@router.get("/{number}/holds", response=forms.HoldsOut, summary="What protects or restricts an account")
def holds(request: HttpRequest, number: str) -> Any:
    """Return the restrictions in force with their causes, and the grace that runs."""
    need(request, "netenforce.view_hold", "delinquency.view_gracegrant")
    return _holds(found(number))


@router.post("/{number}/grace", response={201: forms.HoldsOut}, summary="Give more time")
def give_grace(request: HttpRequest, number: str, data: forms.GraceIn) -> Any:
    """Protect an account until a date, within the yearly limit of the token's role (A9)."""
    user = need(request, "delinquency.grant_grace")

    def act() -> tuple[int, dict[str, Any]]:
        account = found(number)
        grant_grace(account=account, until_on=data.until_on, reason=data.reason, lift_now=data.lift_now, by=user)
        return 201, _holds(account)

    return once(request, act)


@router.post("/{number}/holds", response={201: forms.HoldsOut}, summary="Restrict for abuse or at request")
def restrict(request: HttpRequest, number: str, data: forms.RestrictIn) -> Any:
    """Restrict an account's lines for a cause other than money."""
    user = need(request, "netenforce.place_hold")

    def act() -> tuple[int, dict[str, Any]]:
        account = found(number)
        if data.until_at is not None and data.until_at.tzinfo is None:
            raise Problem(400, "no_zone", "until_at: say the zone, such as 2026-05-16T09:00:00-04:00.")
        place_by_hand(
            account, cause=data.cause, level=data.level, reason=data.reason, until_at=data.until_at, by=user
        )  # fmt: skip
        return 201, _holds(account)

    return once(request, act)


@router.post("/{number}/holds/{hold_id}/lift", response={200: forms.HoldsOut}, summary="Lift a restriction")
def lift(request: HttpRequest, number: str, hold_id: int, data: forms.LiftIn) -> Any:
    """Lift one restriction; what is restricted for money is lifted by payment, or by more time."""
    user = need(request, "netenforce.place_hold")

    def act() -> tuple[int, dict[str, Any]]:
        account = found(number)
        hold = Hold.objects.filter(pk=min(hold_id, 2**63 - 1), account=account).first()
        if hold is None:
            raise Http404(f"Account {number} has no hold {hold_id}.")
        lift_by_hand(hold, reason=data.reason, by=user)
        return 200, _holds(account)

    return once(request, act)


@transaction.atomic
def _holds(account: Account) -> dict[str, Any]:
    items = [
        {
            "id": hold.pk, "kind": "restriction", "cause": hold.cause, "level": hold.level, "why": hold.why,
            "until": hold.until_at.isoformat() if hold.until_at else None, "since": hold.placed_at,
        }
        for hold in Hold.objects.filter(account=account, lifted_at__isnull=True)
    ]  # fmt: skip
    until = glance(account).grace_until
    grant = GraceGrant.objects.filter(account=account, until_on=until).order_by("-pk").first() if until else None
    if grant is not None and until is not None:
        items.append(
            {
                "id": grant.pk, "kind": "grace", "cause": "grace", "level": None, "why": grant.reason,
                "until": until.isoformat(), "since": grant.granted_at,
            }
        )  # fmt: skip
    return {"items": items}


def _text(value: str) -> str:
    if "\0" in value:
        raise Problem(400, "invalid", "A text may not hold a NUL sign.")
    return value
