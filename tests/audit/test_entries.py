"""What the audit record notes: every way of writing, who, from where and why; never a secret or a person's data."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from accounts.audit.tables import NOT_WHEN_ADDED, WATCHED
from accounts.models import Account, AccountType, AuditEntry, Contact, User
from accounts.operations import change_status
from billing_project.celery import app
from billing_project.kernel import acting, clock
from billing_project.kernel.audited import TRIGGERS
from billing_project.kernel.bulk import insert_with_history, update_with_history
from invoicing.operations.charges import add_charge
from invoicing.operations.payments import record_payment
from netenforce.models import Device
from tests.backoffice import staff_client
from tests.factories import bill_by, instant, make_account, make_contact, make_source, make_staff, make_status

from .tampering import sql

pytestmark = pytest.mark.django_db


def last(table: str) -> AuditEntry:
    """Return the newest entry about a table."""
    entry = AuditEntry.objects.filter(table=table).first()
    assert entry is not None
    return entry


def told(entry: AuditEntry) -> tuple[Any, ...]:
    """Return what an entry says of a change."""
    return entry.act, entry.before, entry.after


def test_a_change_is_noted_with_who_where_why_before_and_after() -> None:
    account, ann = make_account(), make_staff("ann")
    with acting.as_described(lambda: {"by_id": ann.pk, "by": "ann", "at": "POST /admin/", "mark": "m1"}):
        account.timezone = "Pacific/Honolulu"
        account._change_reason = "moved to the island"  # type: ignore[attr-defined]
        account.save()
    entry = last("accounts_account")
    assert told(entry) == ("changed", {"timezone": "America/New_York"}, {"timezone": "Pacific/Honolulu"})
    assert (entry.by_id, entry.by, entry.at_place, entry.mark) == (ann.pk, "ann", "POST /admin/", "m1")
    assert (entry.account_id, entry.row_key, entry.why) == (account.pk, str(account.pk), "moved to the island")


def test_no_way_of_writing_goes_past_it() -> None:
    account = make_account()
    before = AuditEntry.objects.count()
    Account.objects.filter(pk=account.pk).update(parked_why="by update()")
    account.parked_why = "by bulk_update()"
    Account.objects.bulk_update([account], ["parked_why"])
    account.parked_why = "by the house's bulk"
    update_with_history([account], ["parked_why"], reason="swept")
    sql("UPDATE accounts_account SET parked_why = 'by hand' WHERE id = %s", account.pk)
    AccountType.objects.bulk_create([AccountType(name="A"), AccountType(name="B")])
    insert_with_history([AccountType(name="C")], reason="founded")  # COPY
    sql("DELETE FROM accounts_accounttype WHERE name IN ('A', 'B')")
    found = list(AuditEntry.objects.order_by("pk")[before:])
    assert [(entry.table, entry.act) for entry in found] == (
        [("accounts_account", "changed")] * 4
        + [("accounts_accounttype", "added")] * 3
        + [("accounts_accounttype", "deleted")] * 2
    )
    assert [found[2].why, found[6].why] == ["swept", "founded"]
    assert [(entry.before or {})["parked_why"] for entry in found[1:4]] == [
        "by update()", "by bulk_update()", "by the house's bulk",
    ]  # fmt: skip


def test_what_did_not_change_is_not_noted_nor_what_only_the_sweeps_move() -> None:
    account = make_account()
    count = AuditEntry.objects.count()
    account.save()
    device = Device.objects.create(name="edge", driver="simulated")
    Device.objects.filter(pk=device.pk).update(failures_in_row=3, failure="no answer")
    assert AuditEntry.objects.count() == count + 1
    assert last("netenforce_device").act == "added"


def test_without_a_context_it_is_the_role_of_the_database() -> None:
    sql("INSERT INTO accounts_accounttype (name, is_business) VALUES ('X', false)")
    entry = last("accounts_accounttype")
    assert (entry.by, entry.by_id, entry.at_place) == ("database: app", None, "")


def test_secrets_and_personal_values_are_only_said_to_have_changed() -> None:
    account = make_account(name="Ada Smith", address="1 Elm Street", note="calls at night")
    contact = make_contact(account, name="Ada Smith", email="ada@customer.example", phone="+15550107777")
    source = make_source(account, source_token="tok_secret", customer_token="cus_secret")
    user = User.objects.create_user("bob", email="bob@staff.example", password="very secret 1", first_name="Robert")
    device = Device.objects.create(name="edge", driver="simulated", username="svc-login", secret="s3cr3t-of-device")
    user.set_password("very secret 2")
    user.save()
    device.secret = "another-s3cr3t"
    device.save()
    Contact.objects.filter(pk=contact.pk).update(email="")
    assert told(last("accounts_contact")) == ("changed", {"email": "(not shown)"}, {"email": ""})
    assert told(last("netenforce_device")) == ("changed", {"secret": "(not shown)"}, {"secret": "(not shown)"})
    kept = " ".join(str(row) for row in AuditEntry.objects.values_list("before", "after", "why"))
    for private in (
        "Ada", "Elm Street", "at night", "ada@", "+15550107777", "tok_secret", "cus_secret", "bob@", "Robert", "pbkdf2",
        user.password, "svc-login", "s3cr3t", source.source_token, device.secret,
    ):  # fmt: skip
        assert private not in kept


def test_money_is_noted_to_the_cent_with_its_reason() -> None:
    account = make_account()
    record_payment(account=account, reference="P-1", amount=Decimal("40.10"), received_at=instant("2026-01-20 12:00"))
    assert (last("invoicing_payment").after or {})["amount"] == 40.10
    assert (last("invoicing_ledgerentry").after or {})["amount"] == -40.10
    entry = last("invoicing_ledgerentry")
    [(text,)] = sql("SELECT after->>'amount' FROM accounts_auditentry WHERE id = %s", entry.pk)
    assert text == "-40.10"
    charge = add_charge(
        account=account, kind="late_fee", key="fee:1", amount=Decimal("10.00"), description="Late fee",
        about_invoice=None, charged_on=instant("2026-01-20 12:00").date(), effective_at=instant("2026-01-20 12:00"),
    )  # fmt: skip
    charge.waived_at, charge.waived_why = instant("2026-01-21 12:00"), "our mistake"
    charge.save()
    assert (last("invoicing_charge").why, last("invoicing_charge").account_id) == ("our mistake", account.pk)


def test_roles_and_permissions_are_noted() -> None:
    user, group = make_staff("bob"), Group.objects.create(name="Night shift")
    group.permissions.add(Permission.objects.get(codename="view_account"))
    user.groups.add(group)
    user.is_superuser = True
    user.save()
    assert last("auth_group_permissions").act == "added"
    assert (last("accounts_user_groups").after or {})["user_id"] == user.pk
    assert told(last("accounts_user")) == ("changed", {"is_superuser": False}, {"is_superuser": True})


def test_a_page_names_its_user_and_a_command_and_a_task_name_themselves() -> None:
    account, status = make_account(), make_status("Away", activates=False)
    client = staff_client()
    form = {"name": "Away", "activates_billing": "", "colour": "blue"}
    client.post(f"/admin/accounts/accountstatus/{status.pk}/change/", form)
    entry = last("accounts_accountstatus")
    assert (entry.by, entry.at_place) == ("boss", f"POST /admin/accounts/accountstatus/{status.pk}/change/")
    assert entry.mark
    with acting.as_program("command run_billing"):
        change_status(account, status, reason="asked for it")
    entry = last("accounts_account")
    assert (entry.by, entry.at_place, entry.why) == (
        "system: command run_billing", "command run_billing", "asked for it",
    )  # fmt: skip
    app.loader.import_default_modules()
    bill_by(make_account(), "2026-01-01")
    with clock.at(instant("2026-01-01 00:05")):
        app.tasks["invoicing.tick"].apply(task_id="t-1")
    entry = last("invoicing_invoice")
    assert (entry.by, entry.at_place, entry.mark) == ("system: task invoicing.tick", "task invoicing.tick", "t-1")
    call_command("run_delinquency", "--at", "2026-01-20T12:00", "--json", stdout=StringIO())
    assert acting._who.get() is None


def test_what_is_rolled_back_takes_along_who_it_was_and_the_next_is_told_again() -> None:
    with acting.as_program("command one"):
        try:
            with transaction.atomic():
                AccountType.objects.create(name="A")
                raise ZeroDivisionError
        except ZeroDivisionError:
            assert not AuditEntry.objects.filter(table="accounts_accounttype", row_key="A").exists()
        AccountType.objects.create(name="B")
        assert last("accounts_accounttype").by == "system: command one"
    AccountType.objects.create(name="C")
    assert last("accounts_accounttype").by == "database: app"


@pytest.mark.django_db(transaction=True)
def test_each_transaction_on_a_kept_connection_says_who_it_is() -> None:
    for name in ("one", "two"):
        with acting.as_program(name):
            AccountType.objects.create(name=f"{name}, alone")
            assert last("accounts_accounttype").by == f"system: {name}"
            with transaction.atomic():
                AccountType.objects.create(name=name)
            assert last("accounts_accounttype").by == f"system: {name}"
    with transaction.atomic():
        AccountType.objects.create(name="three")
    assert last("accounts_accounttype").by == "database: app"


def test_a_page_that_only_reads_tells_the_database_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[Any] = []
    tell = acting.tell
    monkeypatch.setattr(acting, "tell", lambda given: (times.append(given), tell(given)))
    client: Client = staff_client()
    address = f"/admin/accounts/account/{make_account().pk}/history/"
    times.clear()
    assert client.get(address).status_code == 200
    assert times == []
    AccountType.objects.create(name="A")
    assert len(times) == 2  # the row and its history


def test_every_table_is_watched_or_left_out_on_purpose() -> None:
    triggers = sql(
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'audit_note'"
    )
    assert {table for table, _trigger in triggers} == set(WATCHED)
    added = {table for table, trigger in triggers if TRIGGERS[trigger] == "INSERT"}
    assert set(WATCHED) - added == NOT_WHEN_ADDED
    tables = {table for (table,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    unwatched = {table for table in tables - set(WATCHED) if "historical" not in table and "celery_beat" not in table}
    assert unwatched == LEFT_OUT


# Rows that are evidence themselves (events, attempts, messages), work in progress, and what can be made again.
LEFT_OUT = {
    "account_emailaddress", "account_emailconfirmation", "accounts_attention", "accounts_auditcheck",
    "accounts_auditentry", "accounts_auditlink", "accounts_auditseal", "accounts_browsersession",
    "accounts_callrecord", "accounts_channelday", "accounts_dataexport", "accounts_inboundattachment",
    "accounts_inboundmessage", "accounts_lastcode", "accounts_notice", "accounts_noticeattempt",
    "accounts_portalentry", "accounts_presence", "accounts_providerevent", "accounts_savedfilter",
    "accounts_signinrequest", "accounts_simulatedmessage", "accounts_templatetest", "auth_permission",
    "axes_accessattempt", "axes_accessattemptexpiration", "axes_accessfailurelog", "axes_accesslog",
    "delinquency_airbagstep", "delinquency_apirequest", "delinquency_apiuse", "delinquency_calltask",
    "delinquency_cannedreply_queues", "delinquency_case", "delinquency_forecast", "delinquency_importfile",
    "delinquency_importmapping", "delinquency_importproblem", "delinquency_macro_queues", "delinquency_massaction",
    "delinquency_massitem", "delinquency_monthfigures", "delinquency_oldstate", "delinquency_reportmailing",
    "delinquency_reportsubscription_recipients", "delinquency_runrequest", "delinquency_steprun", "delinquency_study",
    "delinquency_studyfinding", "delinquency_sweep", "delinquency_taskrun", "delinquency_ticket",
    "delinquency_ticket_watchers", "delinquency_ticketcomment", "delinquency_ticketview",
    "delinquency_webhookdelivery", "django_admin_log", "django_content_type", "django_migrations", "django_session",
    "invoicing_billingrun", "invoicing_gatewayevent", "invoicing_gatewaypoll", "invoicing_invoiceseries",
    "invoicing_payout", "invoicing_payoutline", "invoicing_sandboxcharge", "invoicing_sandboxpage",
    "invoicing_sourcepage", "netenforce_devicereading", "netenforce_enforcementattempt", "netenforce_enforcementtask",
    "netenforce_linestate", "netenforce_radiusanswer", "netenforce_simulatedentry",
}  # fmt: skip
