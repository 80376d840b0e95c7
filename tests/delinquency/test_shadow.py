"""Shadow mode: everything is decided, nothing leaves; compared with the old system; live without the past."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Notice, Shadow, SimulatedMessage, User
from accounts.operations import pause_everything
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.shadowing import begin_shadow
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import AcceptedDifference, OldState, Standing
from delinquency.operations.shadow import go_live
from delinquency.roles import ensure_roles
from delinquency.shadow_compare import compare
from invoicing.dispatch import dispatch_charges
from invoicing.models import PaymentAttempt, RefundAttempt, SandboxCharge
from invoicing.operations import collect, refunds
from invoicing.operations.payments import record_payment
from invoicing.operations.portal_pay import pay_now
from netenforce.dispatch import dispatch_enforcement
from netenforce.first_day import trust
from netenforce.models import EnforcementTask, LineState, SimulatedEntry
from netenforce.operations import lift_hold, place_hold
from netenforce.reconcile import reconcile
from netenforce.restore import restore_lines
from tests.backoffice import make_customer, make_invoice, make_version, queries_for, staff_client
from tests.factories import instant, make_account, make_contact, make_device, make_line, make_source

pytestmark = pytest.mark.django_db

BEGUN, NOON, LATER = (instant(f"2026-01-21 {hour}:00") for hour in (11, 12, 13))


@pytest.fixture(autouse=True)
def _silent_rooms_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody vetoes: what is held here is held by shadow mode alone."""
    from accounts import signals as letters
    from netenforce import signals as orders

    for signal in (letters.about_to_send, letters.notice_settled, orders.about_to_restrict):
        monkeypatch.setattr(signal, "receivers", [])


def write_a_letter(account: Account, key: str = "case:1") -> None:
    enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key=key, step_key="n", template="past_due", why="Past due.",
            channels=("email",), context={"amount_due": "40.00"},
        )
    )  # fmt: skip


def decide_everything() -> Account:
    """Queue one of each kind that leaves: a letter, a charge, a cut."""
    account = make_account()
    make_contact(account)
    source = make_source(account)
    write_a_letter(account)
    invoice = make_invoice(account, "A-1")
    collect.queue_charge(
        account=account, invoice=invoice, rank=source.rank, key="k1", amount=Decimal("100.00"), due_at=clock.now(),
        why="due",
    )  # fmt: skip
    make_line(account, "100.64.0.1", device=make_device())
    place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="throttle", why="unpaid")
    return account


def dispatch_all() -> None:
    dispatch_notices()
    dispatch_charges(clock.now())
    dispatch_enforcement()
    restore_lines(wait_seconds=0)
    reconcile()
    refunds.dispatch_refunds(clock.now())


def left() -> tuple[int, int, int]:
    """Return how many letters, charges and network changes have reached the outside."""
    return (
        SimulatedMessage.objects.count(), SandboxCharge.objects.count(),
        SimulatedEntry.objects.exclude(level="open").count(),
    )  # fmt: skip


def test_everything_leaves_when_shadow_mode_is_not_on() -> None:
    """The control: without it the next test would prove nothing."""
    with clock.at(NOON):
        decide_everything()
        dispatch_all()
        assert left() == (1, 1, 1)


def test_in_shadow_every_kind_is_held_and_after_going_live_none_of_it_ever_leaves() -> None:
    with clock.at(BEGUN):
        begin_shadow(reason="The old system bills until March")
    with clock.at(NOON):
        account = decide_everything()
        dispatch_all()
        assert left() == (0, 0, 0)
        assert Notice.objects.get().state == PaymentAttempt.objects.get().state == "queued"
        source = account.funding_sources.get()
        with pytest.raises(Refused, match="pay where you have paid so far"):
            pay_now(account, source, Decimal("10.00"), key="portal")
        with pytest.raises(Refused, match="Nothing is written on devices"):
            trust(LineState.objects.get().device, by=None, reason="first day")  # type: ignore[arg-type]
    with clock.at(LATER):
        shadow = go_live(typed="GO LIVE", reason="Compared for a week")
        assert shadow.cancelled == {"taken_over": 0, "letters": 1, "charges": 1, "cuts": 1, "webhooks": 0}
        dispatch_all()
        dispatch_all()
        assert left() == (0, 0, 0)
        assert Notice.objects.get().why == PaymentAttempt.objects.get().why == "decided in shadow"
        assert EnforcementTask.objects.get().state == "cancelled"
        write_a_letter(account, "case:2")
        dispatch_notices()
        assert left() == (1, 0, 0)


def test_what_waited_before_shadow_mode_and_who_is_to_be_freed_go_out_after_it() -> None:
    with clock.at(BEGUN - timedelta(hours=1)):
        account = make_account()
        make_contact(account)
        make_line(account, "100.64.0.1", device=make_device())
        place_hold(account_id=account.pk, cause="non_payment", cause_key="k", level="throttle", why="unpaid")
        dispatch_enforcement()
        write_a_letter(account)
    with clock.at(BEGUN):
        begin_shadow(reason="Trial")
    with clock.at(NOON):
        lift_hold(account_id=account.pk, cause_key="k", why="paid")
        dispatch_all()
        assert left() == (0, 0, 1)
    with clock.at(LATER):
        go_live(typed="GO LIVE", reason="Done")
        dispatch_all()
        assert left() == (1, 0, 0)


def test_a_cut_in_the_old_network_is_taken_over_as_observed() -> None:
    with clock.at(BEGUN):
        begin_shadow(reason="Trial")
    with clock.at(NOON):
        account = decide_everything()
        OldState.objects.create(account=account, on=date(2026, 1, 20), restricted=False)
        OldState.objects.create(account=account, on=date(2026, 1, 21), restricted=True)
    with clock.at(LATER):
        assert go_live(typed="GO LIVE", reason="Done").cancelled["taken_over"] == 1
        state = LineState.objects.get()
        assert (state.observed_level, state.desired_level, state.observed_at) == ("throttle", "throttle", LATER)


def test_a_refund_waits_and_a_new_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.at(NOON):
        account = make_account()
        payment = record_payment(account=account, reference="ch_1", amount=Decimal("40.00"), received_at=BEGUN)
        waiting = RefundAttempt.objects.create(payment=payment, key="r1", amount=Decimal("1.00"), reason="Twice")
        begin_shadow(reason="Trial")
        dispatch_all()
        waiting.refresh_from_db()
        assert waiting.state == "queued"
        found = refunds.Refundable(Decimal(40), Decimal(40), (), through_gateway=True)
        monkeypatch.setattr(refunds, "check", lambda *_: found)
        with pytest.raises(Refused, match="refund it in the old system"):
            refunds.begin(payment=payment, amount=Decimal("1.00"), why="Twice", by=None, code="other")


def test_shadow_mode_is_on_once_and_ends_by_the_typed_word_only() -> None:
    with pytest.raises(Refused, match="Say why"):
        begin_shadow(reason=" ")
    begin_shadow(reason="Trial")
    with pytest.raises(Refused, match="on already"):
        begin_shadow(reason="Again")
    with pytest.raises(IntegrityError, match="shadow_open_once"), transaction.atomic():
        Shadow.objects.create(why="A second one")
    with pytest.raises(Refused, match="Type GO LIVE"):
        go_live(typed="go live", reason="Done")
    pause_everything(reason="Stop.")
    go_live(typed="GO LIVE", reason="Done")
    with pytest.raises(Refused, match="not on"):
        go_live(typed="GO LIVE", reason="Done")


def test_the_dispatch_command_says_shadow(capsys: pytest.CaptureFixture[str]) -> None:
    begin_shadow(reason="Trial")
    call_command("dispatch", "all")
    assert "In shadow mode since" in (said := capsys.readouterr().out)
    assert "waits until you go live" in said


def old(number: str, **fields: Any) -> Account:
    account = Account.objects.get(number=number)
    OldState.objects.create(account=account, on=date(2026, 1, 21), **fields)
    return account


def test_the_comparison_lists_every_account_that_differs_in_what_and_why() -> None:
    version = make_version()
    for number in ("10001", "10002", "10003"):
        make_customer(number, version, delinquent=number == "10001")
    account = old("10001", status="suspended", balance=Decimal("90.00"), delinquent=False, restricted=True)
    old("10002", status="active", balance=Decimal("100.00"), delinquent=False, restricted=False)
    found = compare()
    assert [(one.number, one.field, one.ours, one.theirs) for one in found.differences] == [
        ("10001", "status", "Active", "suspended"),
        ("10001", "balance", "100.00", "90.00"),
        ("10001", "delinquent", "yes", "no"),
        ("10003", "absent", "here as Active", "not named"),
    ]
    assert (found.compared, found.agree) == (2, 1)
    Standing.objects.filter(account=account).update(delinquent_since=None)
    assert "delinquent" not in [one.field for one in compare().differences]


def test_the_pages_begin_compare_accept_and_go_live() -> None:
    client, version = staff_client(), make_version()
    make_customer("10001", version, delinquent=True)
    old("10001", balance=Decimal("90.00"), status="=cmd|x")
    home, compare_page = reverse("admin:index"), reverse("admin:accounts_shadow_compare")
    assert "Shadow mode." not in client.get(home).content.decode()
    client.post(reverse("admin:accounts_shadow_begin"), {"reason": "Until March"})
    banner = client.get(home).content.decode()
    assert "Shadow mode." in banner
    assert "Until March" in banner

    page = client.get(compare_page)
    key = page.context["rows"][0][0].key
    client.post(compare_page, {"difference": [key], "reason": "Called otherwise there"})
    assert AcceptedDifference.objects.get().reason == "Called otherwise there"
    assert [one.field for one, _why in client.get(compare_page).context["rows"]] == ["balance"]
    csv = client.get(reverse("admin:accounts_shadow_csv")).content.decode()
    assert "10001,Customer 10001,balance,100.00,90.00" in csv
    assert "'=cmd|x" in csv

    live = reverse("admin:accounts_shadow_live")
    assert "1 difference to the old system is not accepted yet" in client.get(live).content.decode()
    assert "Type GO LIVE to say" in client.post(live, {"typed": "yes", "reason": "x"}).content.decode()
    assert client.post(live, {"typed": "GO LIVE", "reason": "Compared"}).status_code == 303
    assert Shadow.objects.get().ended_why == "Compared"
    assert client.get(live).status_code == 303


def test_only_who_may_run_shadow_mode_changes_it() -> None:
    ensure_roles()
    begin_shadow(reason="Trial")
    found = {}
    for role in ("Billing managers", "Billing clerks", "Auditors"):
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        found[role] = [
            client.get(reverse("admin:accounts_shadow_compare")).status_code,
            client.post(reverse("admin:accounts_shadow_compare"), {"reason": "x"}).status_code,
            client.post(reverse("admin:accounts_shadow_live"), {"typed": "no", "reason": "x"}).status_code,
        ]
    assert found == {
        "Billing managers": [200, 200, 200], "Billing clerks": [200, 403, 403], "Auditors": [200, 403, 403],
    }  # fmt: skip
    assert Shadow.objects.get().ended_at is None


def test_the_comparison_asks_as_often_for_twelve_accounts_as_for_three() -> None:
    client, version = staff_client(), make_version()
    for number in range(10001, 10004):
        make_customer(str(number), version)
        old(str(number), balance=Decimal("1.00"))
    url = reverse("admin:accounts_shadow_compare")
    three = queries_for(client, url)
    for number in range(10004, 10013):
        make_customer(str(number), version)
        old(str(number), balance=Decimal("1.00"))
    assert queries_for(client, url) == three
