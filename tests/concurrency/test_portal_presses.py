"""Two tabs, double clicks and late reports on two connections at once: one charge, one card (T09)."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Account, FundingSource
from billing_project.kernel import nudge
from invoicing.gateways.sandbox import SandboxGateway
from invoicing.models import Payment, PaymentAttempt, SandboxCharge, SandboxPage, SourcePage
from invoicing.operations import sources
from invoicing.operations.portal_pay import pay_on_page
from tests.backoffice import make_invoice
from tests.factories import make_account, make_source
from tests.portal import come_in

pytestmark = pytest.mark.django_db(transaction=True)

WAY = sources.Way(return_url="https://ours.example/{attempt}/", leave_url="https://ours.example/{attempt}/left")
DOUBLES, AT_A_TIME = 200, 4


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs at the same moment, each on its own connection; return what came of them, or the error."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(place: int, job: Callable[[], Any]) -> None:
        try:
            with nudge.recorded():
                barrier.wait(30)
                results[place] = job()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[place] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


def owing(number: int) -> Account:
    account = make_account()
    make_invoice(account, f"W-{number}", amount="40.00")
    make_source(account)
    return account


def phone_of(account: Account) -> Client:
    client = Client()
    come_in(client, account)
    return client


def test_two_hundred_double_presses_are_two_hundred_charges_and_both_tabs_show_the_same() -> None:
    places: list[tuple[str, str]] = []
    for batch in range(DOUBLES // AT_A_TIME):
        accounts = [owing(batch * AT_A_TIME + place) for place in range(AT_A_TIME)]
        jobs = []
        for account in accounts:
            form = {"amount": "40.00", "source": account.funding_sources.get().pk, "once": uuid.uuid4()}
            cookie = phone_of(account).cookies
            for _tab in range(2):
                tab = Client()
                tab.cookies = cookie
                jobs.append(lambda tab=tab, form=form: tab.post(reverse("portal-pay"), form).headers["Location"])
        shown = at_once(*jobs)
        places += zip(shown[::2], shown[1::2], strict=True)
    assert all(first == second for first, second in places)
    assert SandboxCharge.objects.count() == Payment.objects.count() == PaymentAttempt.objects.count() == DOUBLES
    assert set(Payment.objects.values_list("amount", flat=True)) == {Decimal("40.00")}


def test_two_presses_with_different_marks_charge_once_as_well() -> None:
    account = owing(1)
    card, cookie = account.funding_sources.get(), phone_of(account).cookies

    def press() -> int:
        tab = Client()
        tab.cookies = cookie
        return tab.post(reverse("portal-pay"), {"amount": "40.00", "source": card.pk, "once": uuid.uuid4()}).status_code

    assert sorted(at_once(press, press)) == [303, 409]
    assert SandboxCharge.objects.count() == 1


def test_a_double_press_for_a_new_card_opens_one_page_and_does_not_close_it() -> None:
    for number in range(10):
        account, key = owing(number), str(uuid.uuid4())

        def press(account: Account = account, key: str = key) -> tuple[int, str]:
            attempt = pay_on_page(account, Decimal("40.00"), key=key, way=WAY)
            return attempt.pk, attempt.state

        first, second = at_once(press, press)
        assert first == second
        assert first[1] == "sending"
    assert SandboxPage.objects.filter(state="open").count() == SandboxPage.objects.count() == 10


def added(account: Account) -> SourcePage:
    """Make a page on which a second card has been added, and which nobody has asked for yet."""
    page = sources.open_page_to_add(account, key=str(uuid.uuid4()), rank=2, way=WAY)
    SandboxGateway().use_page(page.page_id, "tok_second")
    return SourcePage.objects.get(page_id=page.page_id)


def take_twice(row: SourcePage) -> list[Any]:
    return at_once(*[lambda: sources.take_added(row.page_id)] * 2)


def test_a_card_that_two_learn_of_at_once_is_stored_once() -> None:
    account = owing(1)
    row = added(account)
    said = take_twice(row)
    assert sorted(str(words).split(" is ")[1] for words in said) == ["stored already", "stored as number 2"]
    assert FundingSource.objects.filter(account=account).count() == 2
    assert FundingSource.history.filter(source_token="tok_second").count() == 1


def test_without_the_lock_both_would_store_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the locks of the account and of the page are what the test above rests on."""
    account = owing(1)
    row, met = added(account), threading.Barrier(2)

    def unlocked(rows: Any, pk: int) -> SourcePage:
        found = rows.get(pk=pk)
        met.wait(30)
        assert isinstance(found, SourcePage)
        return found

    monkeypatch.setattr(sources.ledger, "lock_account", lambda key: Account.objects.get(pk=key))
    monkeypatch.setattr(sources, "lock_row", unlocked)
    take_twice(row)
    assert FundingSource.history.filter(source_token="tok_second").count() == 2


def test_a_report_that_is_late_does_not_replace_what_came_after_its_page_was_opened() -> None:
    account = owing(1)
    row = added(account)
    SourcePage.objects.filter(pk=row.pk).update(opened_at=row.opened_at - timedelta(hours=1))
    make_source(account, 2, "tok_newer", last4="9999")
    sources.take_added(row.page_id)
    kept = FundingSource.objects.filter(account=account).order_by("rank").values_list("rank", "source_token")
    assert list(kept) == [(1, "tok_ok"), (2, "tok_newer"), (3, "tok_second")]
