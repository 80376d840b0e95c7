"""The customer's own cards: added once, kept in order, never taken away where they are needed."""

import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.access import make_link_token
from accounts.models import Account, FundingSource
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from delinquency.models import Standing
from invoicing.models import Invoice, PaymentAttempt, SandboxPage
from invoicing.operations import cards, sources
from invoicing.operations.autopay import autopay_of, set_autopay
from invoicing.operations.payments import record_payment
from tests.backoffice import NOON, make_customer, make_version
from tests.factories import make_source

from .test_portal_pages import customer_of, text_of

pytestmark = pytest.mark.django_db
WAY = sources.Way(return_url="https://ours.example/back", leave_url="https://ours.example/left")


@pytest.fixture(autouse=True)
def noon() -> Any:
    with clock.at(NOON):
        yield


@pytest.fixture
def account() -> Account:
    """Make a customer with two cards, •••• 4242 before •••• 0002."""
    made = make_customer("20001", make_version())
    make_source(made, 2, "tok_second", last4="0002")
    return made


@pytest.fixture
def client(account: Account) -> Client:
    return customer_of(account)


def order(account: Account) -> list[tuple[int, str]]:
    return list(FundingSource.objects.filter(account=account).order_by("rank").values_list("rank", "last4"))


def seen(account: Account) -> str:
    return cards.mark_of(cards.cards_of(account))


def card(account: Account, last4: str) -> FundingSource:
    return FundingSource.objects.get(account=account, last4=last4)


# --- Order ---


def test_a_card_is_put_first_by_one_press_and_its_history_says_so(client: Client, account: Account) -> None:
    where = reverse("portal-card-first", args=[card(account, "0002").pk])
    answer = client.post(where, {"seen": seen(account)}, follow=True)
    assert "This card is now charged first." in text_of(answer)
    assert order(account) == [(1, "0002"), (2, "4242")]
    latest = card(account, "0002").history.order_by("-history_id").first()
    assert latest is not None
    assert "put first by the customer" in str(latest.history_change_reason)


def test_a_second_press_in_an_old_tab_changes_nothing(client: Client, account: Account) -> None:
    mark, chosen = seen(account), card(account, "0002")
    cards.put_first(account, chosen.pk, seen=mark)
    answer = client.post(reverse("portal-card-first", args=[card(account, "4242").pk]), {"seen": mark})
    assert answer.status_code == 409
    assert "Your cards have changed since this page was opened" in text_of(answer)
    assert order(account) == [(1, "0002"), (2, "4242")]


def test_a_card_that_may_not_be_charged_cannot_be_first(account: Account) -> None:
    FundingSource.objects.filter(last4="0002").update(barred_at=NOON, barred_why="returned")
    with pytest.raises(Refused, match="cannot be the first"):
        cards.put_first(account, card(account, "0002").pk, seen=seen(account))


@pytest.mark.parametrize("state", ["claimed", "sending", "unknown", "pending"])
def test_nothing_moves_while_a_card_is_being_charged(account: Account, state: str) -> None:
    PaymentAttempt.objects.create(
        account=account, invoice=Invoice.objects.get(), funding_source=card(account, "4242"), key="k", amount=5,
        state=state, unclear_at=NOON,
    )  # fmt: skip
    for verb in (cards.put_first, cards.remove_card):
        with pytest.raises(Refused, match="under way"):
            verb(account, card(account, "4242").pk, seen=seen(account))
    assert order(account) == [(1, "4242"), (2, "0002")]


# --- Removing ---


def test_a_removed_card_leaves_its_receipts_and_the_next_one_moves_up(client: Client, account: Account) -> None:
    gone = card(account, "4242")
    paid = record_payment(account=account, reference="P", amount=Invoice.objects.get().amount, received_at=NOON,
                          method="card", funding_source=gone)  # fmt: skip
    where = reverse("portal-card-remove", args=[gone.pk])
    asked = client.get(where)
    assert "Remove Visa •••• 4242?" in text_of(asked)
    assert "then charged to Visa •••• 0002" in text_of(asked)
    assert order(account) == [(1, "4242"), (2, "0002")]
    assert "The card was removed" in text_of(client.post(where, {"seen": seen(account)}, follow=True))
    assert order(account) == [(1, "0002")]
    paid.refresh_from_db()
    assert paid.funding_source is None
    kept = FundingSource.history.filter(id=gone.pk).order_by("-history_id").first()
    assert kept is not None
    assert (kept.history_type, kept.history_change_reason) == ("-", "removed by the customer: Visa •••• 4242")
    assert client.get(where).status_code == 404


def test_the_only_card_stays_while_automatic_payment_is_on(client: Client, account: Account) -> None:
    cards.remove_card(account, card(account, "0002").pk, seen=seen(account))
    where = reverse("portal-card-remove", args=[card(account, "4242").pk])
    assert "turn automatic payment off" in text_of(client.get(where))
    assert client.post(where, {"seen": seen(account)}).status_code == 409
    assert order(account) == [(1, "4242")]
    set_autopay(account, False, why="wish")
    client.post(where, {"seen": seen(account)})
    assert order(account) == []
    assert "No card is stored. Add one" in text_of(client.get(reverse("portal-cards")))


def test_a_card_that_cannot_be_charged_does_not_count_as_the_other_one(account: Account) -> None:
    FundingSource.objects.filter(last4="0002").update(barred_at=NOON, barred_why="returned")
    with pytest.raises(Refused, match="only card"):
        cards.remove_card(account, card(account, "4242").pk, seen=seen(account))
    cards.remove_card(account, card(account, "0002").pk, seen=seen(account))


def test_two_cards_stay_where_a_second_one_was_asked_for(client: Client, account: Account) -> None:
    Standing.objects.filter(account=account).update(
        second_source_asked_on=date(2026, 1, 6), flagged_on=date(2026, 1, 6)
    )
    where = reverse("portal-card-remove", args=[card(account, "0002").pk])
    assert "so two have to stay" in text_of(client.get(where))
    assert client.post(where, {"seen": seen(account)}).status_code == 409
    make_source(account, 3, "tok_third", last4="0003")
    assert client.post(where, {"seen": seen(account)}).status_code == 303


def test_where_a_second_card_is_missing_the_page_asks_for_it(client: Client, account: Account) -> None:
    FundingSource.objects.filter(last4="0002").delete()
    Standing.objects.filter(account=account).update(
        second_source_asked_on=date(2026, 1, 6), flagged_on=date(2026, 1, 6)
    )
    for name in ("portal-cards", "portal-home"):
        said = text_of(client.get(reverse(name)))
        assert "Please add a second card or bank account. We asked for it on Jan. 6, 2026" in said


def test_a_card_of_somebody_else_does_not_exist_here(client: Client) -> None:
    other = make_source(make_customer("20002", make_version()), 2, "tok_x", last4="9999")
    before = order(other.account)
    where = reverse("portal-card-remove", args=[other.pk])
    assert client.get(where).status_code == client.post(where).status_code == 404
    client.post(reverse("portal-card-first", args=[other.pk]), {"seen": seen(other.account)})
    client.post(reverse("portal-card-add"), {"once": uuid.uuid4(), "again": other.pk})
    assert order(other.account) == before
    assert "9999" not in text_of(client.get(reverse("portal-cards")))


# --- Adding ---


def begin(client: Client, **more: object) -> tuple[uuid.UUID, str]:
    once = uuid.uuid4()
    return once, client.post(reverse("portal-card-add"), {"once": once, **more}).headers["Location"]


def test_a_card_is_added_on_the_providers_page_and_stored_once(client: Client, account: Account) -> None:
    once, page = begin(client)
    assert page.startswith(reverse("portal-sandbox"))
    done = client.post(page, {"card": "tok_ok"}, follow=True)  # the first one again
    assert "Your card is stored." in text_of(done)
    once, page = begin(client)
    client.post(page, {"card": "tok_lost_answer"}, follow=True)
    assert order(account) == [(1, "4242"), (2, "0002"), (3, "3220")]
    again = client.get(reverse("portal-card-added", args=[once]), follow=True)
    assert "Your card is stored." in text_of(again)
    assert len(order(account)) == 3


def test_a_double_press_opens_one_page(client: Client) -> None:
    once = uuid.uuid4()
    first, second = (client.post(reverse("portal-card-add"), {"once": once}).headers["Location"] for _ in range(2))
    assert first == second
    assert SandboxPage.objects.count() == 1


def test_who_leaves_the_page_has_added_nothing(client: Client, account: Account) -> None:
    once, _page = begin(client)
    assert "No card was added." in text_of(client.get(reverse("portal-card-added", args=[once]), follow=True))
    assert len(order(account)) == 2
    unknown = client.get(reverse("portal-card-added", args=[uuid.uuid4()]), follow=True)
    assert "No card was added." in text_of(unknown)


def test_two_pages_opened_at_once_add_two_cards(client: Client, account: Account) -> None:
    (_once, one), (_again, two) = begin(client), begin(client)
    client.post(one, {"card": "tok_lost_answer"}, follow=True)
    with clock.at(NOON + timedelta(minutes=1)):
        client.post(two, {"card": "tok_timeout_before"}, follow=True)
    assert [last4 for _rank, last4 in order(account)] == ["4242", "0002", "3220", "0119"]


def test_a_card_that_is_barred_says_why_and_is_entered_again_in_its_place(client: Client, account: Account) -> None:
    FundingSource.objects.filter(last4="0002").update(barred_at=NOON - timedelta(days=1), barred_why="returned")
    barred = card(account, "0002")
    assert "It is not charged any more" in text_of(client.get(reverse("portal-cards")))
    _once, page = begin(client, again=barred.pk)
    with clock.at(NOON + timedelta(minutes=1)):
        FundingSource.history.update(history_date=NOON - timedelta(days=9))
        client.post(page, {"card": "tok_lost_answer"}, follow=True)
    assert order(account) == [(1, "4242"), (2, "3220")]
    assert not FundingSource.objects.filter(barred_at__isnull=False).exists()


def test_no_more_than_five_cards_are_kept(client: Client, account: Account) -> None:
    for rank in (3, 4, 5):
        make_source(account, rank, f"tok_{rank}", last4=f"000{rank}")
    assert "as many as we keep" in text_of(client.get(reverse("portal-cards")))
    answer = client.post(reverse("portal-card-add"), {"once": uuid.uuid4()})
    assert (answer.status_code, "Remove one first." in text_of(answer)) == (409, True)


def test_a_form_without_its_mark_does_nothing(client: Client, account: Account) -> None:
    assert client.post(reverse("portal-card-add"), {"once": "x"}).status_code == 400
    assert client.post(reverse("portal-card-first", args=[card(account, "0002").pk])).status_code == 409
    with pytest.raises(StaleState):
        cards.remove_card(account, card(account, "0002").pk, seen="")
    assert order(account) == [(1, "4242"), (2, "0002")]


def test_an_expiry_is_said_in_words(client: Client, account: Account) -> None:
    for ends, words in (
        (date(2026, 1, 19), "has expired 01/2026"), (date(2026, 2, 28), "expires soon 02/2026"),
        (date(2028, 5, 31), "expires 05/2028"),
    ):  # fmt: skip
        FundingSource.objects.filter(last4="4242").update(expires_on=ends)
        assert words in text_of(client.get(reverse("portal-cards")))


# --- Automatic payment ---


def test_automatic_payment_is_turned_off_and_on_by_one_press(client: Client, account: Account) -> None:
    off = client.post(reverse("portal-autopay"), {"on": "0"}, follow=True)
    assert "Automatic payment is off." in text_of(off)
    assert not autopay_of(account)
    client.post(reverse("portal-autopay"), {"on": "1"})
    assert autopay_of(account)


def test_automatic_payment_is_not_turned_on_without_a_card(client: Client, account: Account) -> None:
    set_autopay(account, False, why="wish")
    FundingSource.objects.filter(account=account).delete()
    answer = client.post(reverse("portal-autopay"), {"on": "1"})
    assert (answer.status_code, "Please add one first" in text_of(answer)) == (409, True)
    assert not autopay_of(account)


def test_nothing_here_is_open_to_a_stranger(account: Account) -> None:
    stranger = Client()
    pk = card(account, "4242").pk
    for where in (
        reverse("portal-cards"), reverse("portal-card-remove", args=[pk]), reverse("portal-bills"),
        reverse("portal-receipts"), reverse("portal-check"),
    ):  # fmt: skip
        assert stranger.get(where).headers["Location"] == reverse("portal-link")
    for where in (reverse("portal-card-first", args=[pk]), reverse("portal-card-add"), reverse("portal-autopay")):
        assert stranger.post(where).headers["Location"] == reverse("portal-link")
    assert make_link_token(account)
