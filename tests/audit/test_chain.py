"""T35, SEC-12: nobody changes the audit record, and whoever does it as the owner is found out, row by row."""

import json
import random
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction

from accounts.audit.chain import FIRST
from accounts.audit.checks import ask_for_check, run_checks
from accounts.audit.sealing import head, heads_of, seal_entries
from accounts.audit.verifying import Verdict, verify
from accounts.models import AccountType, AuditCheck, AuditEntry, AuditLink, AuditSeal
from billing_project.kernel import clock
from delinquency.reports.footers import chain_head
from tests.factories import instant

from .tampering import KEPT, as_owner, as_shipped, flip_one_byte, sql

NOON = instant("2026-01-20 12:00")


def write(count: int, *, first: int = 0) -> None:
    """Write rows of a watched table, each by a statement of its own."""
    for number in range(first, first + count):
        AccountType.objects.create(name=f"Class {number}")


def sealed(count: int) -> None:
    """Write and seal some entries; nothing else is in the record then."""
    as_shipped()
    write(count)
    seal_entries()


def codes(verdict: Verdict) -> dict[str, int]:
    """Return what was found, and how often."""
    found: dict[str, int] = {}
    for finding in verdict.findings:
        found[finding.code] = found.get(finding.code, 0) + 1
    return found


@pytest.mark.django_db
def test_a_record_that_nobody_touched_is_whole() -> None:
    sealed(12)
    verdict = verify()
    assert (verdict.whole, verdict.findings) == (True, ())
    assert verdict.checked == AuditEntry.objects.count() == AuditLink.objects.count()
    last = head()
    assert last is not None
    assert (last.number, last.hash) == (verdict.head_number, verdict.head)
    assert AuditLink.objects.get(number=last.number).hash == last.hash != FIRST


@pytest.mark.django_db
@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id WHERE false", "DELETE FROM {}", "DELETE FROM {} WHERE false", "TRUNCATE {}"]
)
def test_nobody_changes_deletes_or_empties_the_record(table: str, statement: str) -> None:
    sealed(1)
    statement = statement.replace("id = id", "number = number") if table.endswith("link") else statement
    with pytest.raises(Error, match="append-only"), transaction.atomic():
        sql(statement.format(table))
    assert verify().whole


@pytest.mark.django_db
def test_one_byte_flipped_in_a_hundred_rows_is_found_a_hundred_times() -> None:
    sealed(300)
    dice = random.Random(7)
    chosen = dice.sample(list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True)), 100)
    with as_owner():
        columns = {flip_one_byte(entry_id, dice) for entry_id in chosen}
    verdict = verify()
    assert {finding.entry_id for finding in verdict.findings} == set(chosen)
    assert codes(verdict) == {"changed": 100}
    assert {"by", "table", "row_key", "after"} <= columns


@pytest.mark.django_db
def test_an_entry_that_was_deleted_added_or_swapped_is_found() -> None:
    sealed(20)
    with as_owner():
        gone, first, second = AuditLink.objects.filter(number__gt=5).values_list("entry_id", flat=True)[:3]
        sql("DELETE FROM accounts_auditentry WHERE id = %s", gone)
        sql("UPDATE accounts_auditlink SET entry_id = -1 WHERE entry_id = %s", first)
        sql("UPDATE accounts_auditlink SET entry_id = %s WHERE entry_id = %s", first, second)
        sql("UPDATE accounts_auditlink SET entry_id = %s WHERE entry_id = -1", second)
    verdict = verify()
    assert codes(verdict) == {"entry_missing": 1, "changed": 2}
    assert {finding.entry_id for finding in verdict.findings} == {gone, first, second}


@pytest.mark.django_db
def test_an_entry_put_in_behind_the_back_is_found_at_once_or_after_two_minutes() -> None:
    sealed(5)
    sql(
        'INSERT INTO accounts_auditentry (at, by, at_place, mark, "table", row_key, act, why)'
        " VALUES (clock_timestamp() - interval '3 minutes', 'x', '', '', 'auth_group', '1', 'added', '')"
    )
    assert codes(verify()) == {"not_sealed": 1}
    with as_owner():
        sql("UPDATE accounts_auditseal SET floor_id = (SELECT max(id) FROM accounts_auditentry)")
    assert codes(verify()) == {"entry_added": 1}


@pytest.mark.django_db
def test_links_taken_out_put_in_or_cut_off_are_found() -> None:
    sealed(20)
    kept = head()
    assert kept is not None
    with as_owner():
        sql("DELETE FROM accounts_auditlink WHERE number = 7")
        sql("INSERT INTO accounts_auditlink VALUES (%s, 'f', 999999)", kept.number + 1) if _order() else None
    found = codes(verify())
    assert found["link_missing"] == 1
    assert found["cannot_check"] == 1
    assert found["link_added"] == 1
    with as_owner():  # cut everything off behind link 3, and forge the seal: only a head kept elsewhere tells
        sql("DELETE FROM accounts_auditlink WHERE number > 3")
        sql("DELETE FROM accounts_auditentry WHERE id NOT IN (SELECT entry_id FROM accounts_auditlink)")
        sql("UPDATE accounts_auditseal SET last_number = 3, head = (SELECT hash FROM accounts_auditlink"
            " WHERE number = 3)")  # fmt: skip
    assert verify().whole
    assert codes(verify(expect=(kept.number, kept.hash))) == {"other_head": 1}
    assert codes(verify(expect=(None, kept.hash))) == {"other_head": 1}


def _order() -> bool:
    [(columns,)] = sql(
        "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'accounts_auditlink'::regclass AND attnum > 0"
    )
    assert columns == ["number", "hash", "entry_id"]
    return True


@pytest.mark.django_db
def test_a_hash_that_was_changed_spoils_its_own_row_and_the_next() -> None:
    sealed(9)
    with as_owner():
        sql("UPDATE accounts_auditlink SET hash = repeat('a', 64) WHERE number = 4")
    assert [finding.number for finding in verify().findings] == [4, 5]


@pytest.mark.django_db
def test_a_trigger_that_is_switched_off_or_dropped_is_found() -> None:
    sealed(1)
    sql("ALTER TABLE accounts_auditentry DISABLE TRIGGER audit_append_only")
    sql("DROP TRIGGER audit_changed ON invoicing_payment")
    assert {finding.words for finding in verify().findings} == {
        "The trigger audit_append_only of accounts_auditentry is missing or switched off.",
        "Not every change of invoicing_payment is noted: its trigger audit_changed is missing or switched off.",
    }


@pytest.mark.django_db
def test_each_day_has_its_head_and_days_can_be_checked_alone() -> None:
    as_shipped()
    days = [NOON, NOON + timedelta(days=1), NOON + timedelta(days=2)]
    for number, moment in enumerate(days):
        with clock.at(moment):
            write(4, first=10 * number)
            seal_entries()
    first, last = heads_of(days[0].date()), heads_of(days[2].date())
    assert first is not None
    assert last is not None
    assert last.number == first.number + 8
    with as_owner():
        sql("UPDATE accounts_auditentry SET by = 'me' WHERE id = (SELECT entry_id FROM accounts_auditlink"
            " WHERE number = %s)", first.number)  # fmt: skip
    assert verify(from_on=days[1].date()).whole
    assert not verify(to_on=days[0].date()).whole
    assert verify(from_on=days[1].date()).checked == 8


@pytest.mark.django_db
def test_many_entries_are_sealed_in_several_passes() -> None:
    as_shipped()
    write(25)
    assert seal_entries(pass_max=10) == AuditEntry.objects.count()
    assert AuditSeal.objects.count() > 2
    assert verify().whole
    assert seal_entries() == 0


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_sealed_later_and_never_forgotten() -> None:
    given = connection.get_connection_params()
    given.pop("cursor_factory", None)
    given.pop("context", None)
    with psycopg.connect(**given) as late:
        late.execute("INSERT INTO accounts_accounttype (name, is_business) VALUES ('Late', false)")
        write(3)
        assert seal_entries() == AuditEntry.objects.count()
        write(3, first=3)
        assert seal_entries() == 3
        late.commit()
    last_keys = list(AuditLink.objects.values_list("entry_id", flat=True))
    assert seal_entries() == 1
    entry = AuditEntry.objects.get(link__number=head().number)  # type: ignore[union-attr]
    assert (entry.after or {}).get("name") == "Late"
    assert entry.pk < max(last_keys)
    # The search does not begin at the beginning for ever: its floor rises once older transactions have ended, of which
    # other tests may have some on the same server.
    until = clock.monotonic() + 60
    for place in range(6, 100_000):
        write(1, first=place)
        seal_entries()
        if AuditSeal.objects.latest("pk").floor_id > entry.pk:
            break
        assert clock.monotonic() < until
    assert codes(verify()) == {"guard_missing": 3}  # those that let this test empty the tables behind itself


@pytest.mark.django_db
def test_the_command_says_each_broken_row_and_ends_with_1() -> None:
    sealed(5)
    assert answer()["whole"] is True
    with as_owner():
        sql("UPDATE accounts_auditentry SET by = 'me' WHERE id = (SELECT entry_id FROM accounts_auditlink"
            " WHERE number = 2)")  # fmt: skip
    found = answer()
    assert (found["whole"], found["findings_total"]) == (False, 1)
    assert found["findings"][0]["number"] == 2
    out, err = StringIO(), StringIO()
    call_command("verify_audit", stdout=out, stderr=err)
    assert "sealed as link 2, is not what was sealed." in err.getvalue()
    with pytest.raises(CommandError, match="is no head"):
        call_command("verify_audit", "--head", "12:abc")


def answer() -> Any:
    """Return the command's document."""
    out = StringIO()
    call_command("verify_audit", "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


@pytest.mark.django_db
def test_a_check_that_is_asked_for_is_done_once_and_keeps_what_it_found() -> None:
    sealed(5)
    check = ask_for_check("mia")
    assert ask_for_check("ann").pk == check.pk
    assert run_checks() == 1
    check.refresh_from_db()
    assert (check.state, check.findings, check.done) == (AuditCheck.State.WHOLE, [], AuditLink.objects.count())
    with as_owner():
        sql("UPDATE accounts_auditlink SET hash = repeat('b', 64) WHERE number = 1")
    again = ask_for_check("mia")
    run_checks()
    again.refresh_from_db()
    assert (again.state, again.findings_total) == (AuditCheck.State.BROKEN, 2)


@pytest.mark.django_db
def test_a_check_whose_worker_died_is_begun_anew() -> None:
    sealed(2)
    check = ask_for_check("mia")
    AuditCheck.objects.update(state="running", lease_until_at=clock.now() + timedelta(minutes=1))
    assert run_checks() == 0
    with clock.at(clock.now() + timedelta(minutes=2)):
        assert run_checks() == 1
    check.refresh_from_db()
    assert check.state == AuditCheck.State.WHOLE or check.findings[0]["code"] == "not_sealed"


@pytest.mark.django_db
def test_a_head_from_an_old_mail_is_proved_with_and_without_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    sealed(3)
    kept, told = head(), chain_head()
    assert kept is not None
    assert f"verify_audit --head {kept}" in told
    write(3, first=3)
    seal_entries()
    for given in (str(kept), kept.hash):
        call_command("verify_audit", "--head", given)
    assert capsys.readouterr().out.count("is whole") == 2
