"""The one search: by whatever a caller gives, the one exact hit opens, and only what the person may see (U04)."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, InboundMessage, Notice, ServiceLine
from delinquency.models import Ticket, TicketQueue
from invoicing.models import PaymentAttempt, RefundAttempt
from invoicing.operations.payments import record_payment
from netenforce.models import Device
from tests.backoffice import NOON, make_invoice, staff_client
from tests.factories import make_account, make_contact, make_source, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def maria() -> Account:
    """Make the customer who calls, and two others who are none of hers."""
    found = make_account(number="10023", name="Lopez Bakery")
    make_contact(found, name="Maria Lopez", email="maria@lopez.example", phone="+15550109999")
    make_source(found, brand="Visa", last4="4242", source_token="pm_maria", customer_token="cus_maria")
    ServiceLine.objects.create(
        account=found, ipv4="203.0.113.8/29", ipv6="2001:db8:17::/56", radius_username="rosa.k",
        mac="4C5E.0C12.AB9F",
    )  # fmt: skip
    ServiceLine.objects.create(account=found, ipv4="100.64.3.7", radius_username="AA-BB-CC-00-11-22")
    for number, name in (("10024", "Marta Olsen"), ("10025", "Ole Nielsen")):
        other = make_account(number=number, name=name)
        make_contact(other, name=name, email=f"{number}@other.example", phone=f"+1555020{number[1:]}")
        make_source(other, brand="Visa", last4="1881", source_token=f"pm_{number}")
    return found


def asked(client: Client, typed: str) -> str:
    """Return the address that a search opens, or the text of the page that lists what it found."""
    answer = client.get("/admin/search/", {"q": typed})
    if answer.status_code == 302:
        return str(answer["Location"])
    assert answer.status_code == 200
    return answer.content.decode()


FROM_A_CALLER = (
        "10023", "lopez bakery", "bakery", "Maria Lopez", "lopez mar", "LOPEZ", "+1 (555) 010-9999", "5550109999",
        "109999", "maria@lopez.example", "MARIA@LOPEZ.EXAMPLE", "@lopez.example", "203.0.113.9", "203.0.113.8/29",
        "2001:db8:17::5", "[2001:db8:17::5]", "100.64.3.7", "100.64.3.", "rosa.k", "ROSA", "aa:bb:cc:00:11:22",
        "aabb.cc00.1122", "4C-5E-0C-12-AB-9F", "4c5e.0c12.ab9f", "4C5E0C12AB9F",
        "4242", "•••• 4242", "pm_maria", "cus_maria",
)  # fmt: skip


def test_whatever_the_caller_gives_opens_their_account(maria: Account) -> None:
    client = staff_client()
    for typed in FROM_A_CALLER:
        assert asked(client, typed) == f"/admin/accounts/account/{maria.pk}/change/", typed


def test_everything_that_has_a_mark_of_its_own_opens_by_it(maria: Account) -> None:
    invoice = make_invoice(maria, "VF-000117")
    payment = record_payment(account=maria, reference="CHEQUE-88", amount=Decimal("10.00"), received_at=NOON)
    attempt = PaymentAttempt.objects.create(
        account=maria, invoice=invoice, key="k-1", amount=Decimal(9), provider_id="pi_17"
    )
    refund = RefundAttempt.objects.create(
        payment=payment, key="r-1", amount=Decimal(1), provider_id="re_17", reason="Paid twice"
    )
    ticket = Ticket.objects.create(
        account=maria, number="T-000012", subject="Slow", opened_on=NOON.date(), queue=TicketQueue.objects.first(),
        kind="question",
    )  # fmt: skip
    notice = Notice.objects.create(
        account=maria, anchor_key="case:1", step_key="n", channel="sms", template="delinquent", body="Pay",
        to_address="+15550109999", provider_id="SM9f",
    )  # fmt: skip
    letter = InboundMessage.objects.create(
        provider="mailgun", provider_id="<m1@x>", channel="email", from_address="a@b.example", state="unknown"
    )
    device = Device.objects.create(name="Edge 7", host="192.0.2.7")
    client = staff_client()
    for typed, page in (
        ("vf-000117", f"invoicing/invoice/{invoice.pk}"), ("cheque-88", f"invoicing/payment/{payment.pk}"),
        ("pi_17", f"invoicing/paymentattempt/{attempt.pk}"), ("re_17", f"invoicing/refundattempt/{refund.pk}"),
        ("#12", f"delinquency/ticket/{ticket.pk}"), ("12", f"delinquency/ticket/{ticket.pk}"),
        ("SM9f", f"accounts/notice/{notice.pk}"), ("<m1@x>", f"accounts/inboundmessage/{letter.pk}"),
        ("edge 7", f"netenforce/device/{device.pk}"), ("192.0.2.7", f"netenforce/device/{device.pk}"),
    ):  # fmt: skip
        assert asked(client, typed) == f"/admin/{page}/change/", typed


def test_several_hits_are_listed_accounts_first_with_why_they_were_found(maria: Account) -> None:
    client = staff_client()
    page = asked(client, "1881")
    assert page.index("10024") < page.index("10025")
    assert "Visa •••• 1881" in page
    assert "10023" not in page
    both = asked(client, "mar")
    assert "contact Maria Lopez" in both
    assert "Marta Olsen" in both


def test_a_mark_that_is_also_the_end_of_a_card_is_left_to_the_person(maria: Account) -> None:
    make_account(number="4242", name="Somebody else")
    page = asked(staff_client(), "4242")
    assert page.index("Somebody else") < page.index("Lopez Bakery")


def test_a_number_that_begins_others_opens_the_one_that_it_is(maria: Account) -> None:
    short = make_account(number="1002", name="The old shop")
    assert asked(staff_client(), "1002") == f"/admin/accounts/account/{short.pk}/change/"


def test_a_slip_of_the_finger_is_answered_with_names_close_to_it(maria: Account) -> None:
    page = asked(staff_client(), "lopes bakery")
    assert "Nothing found for" in page
    assert "Names that are close to it" in page
    assert "10023" in page


def test_nobody_finds_what_they_may_not_see(maria: Account) -> None:
    make_invoice(maria, "VF-000117")
    client = Client()
    client.force_login(make_staff("biller", "view_invoice"))
    assert "Nothing found" in asked(client, "10023")
    assert "/invoice/" in asked(client, "VF-000117")
    client.force_login(make_staff("nobody"))
    assert "Nothing found" in asked(client, "VF-000117")
    client.logout()
    assert "/login/" in asked(client, "VF-000117")


HOSTILE = (
        "\x00", "a\x00b", "x" * 10_000, "%", "_", "%%%", "'; DROP TABLE accounts_account; --", '"', "\\", "٣٣٣٣٣٣٣",
        "①②③④", "0" * 300, "9" * 50, "::", "1.2.3.4/99", "-1", "#", "#999999999999", "<script>alert(1)</script>",
        "🙂", "e\u0301", "T-", "@", "@@", "(", "+", "00", "a b c d e f g h i j",
)  # fmt: skip


def test_hostile_texts_get_an_answer(maria: Account) -> None:
    client = staff_client()
    for typed in HOSTILE:
        assert "<script>alert" not in asked(client, typed), typed
    assert client.get("/admin/search/?q=%ff%fe%00").status_code == 200
    assert client.get("/admin/search/?q[]=1&q=&s=x").status_code == 200


def test_a_percent_sign_is_a_sign_and_no_wildcard(maria: Account) -> None:
    client = staff_client()
    assert "Nothing found" in asked(client, "10%23")
    assert "Nothing found" in asked(client, "m_ria")


def test_a_whole_card_number_is_neither_looked_up_aloud_nor_repeated(maria: Account) -> None:
    page = asked(staff_client(), "4242 4242 4242 4242")
    assert "last four digits only" in page
    assert "4242 4242" not in page


def test_nothing_typed_says_what_can_be_found_and_each_page_has_the_box(maria: Account) -> None:
    client = staff_client()
    page = asked(client, "")
    assert "What can be found" in page
    for address in ("/admin/", f"/admin/accounts/account/{maria.pk}/change/", "/admin/invoicing/invoice/"):
        page = client.get(address).content.decode()
        assert page.count('id="desk-q"') == 1, address
        assert "opencommand" not in page, address
    assert 'id="desk-q"' not in Client().get("/admin/login/").content.decode()


def test_the_list_of_accounts_finds_as_the_search_does(maria: Account) -> None:
    client = staff_client()
    for typed in ("+1 555 010 9999", "203.0.113.9", "aa:bb:cc:00:11:22", "lopez maria"):
        page = client.get("/admin/accounts/account/", {"q": typed}).content.decode()
        assert "Lopez Bakery" in page, typed
        assert "Marta Olsen" not in page, typed


def test_more_hits_need_no_more_queries_and_link_to_the_whole_list() -> None:
    client, counted = staff_client(), 0
    for count in range(1, 31):
        account = make_account(number=f"5{count:04d}", name=f"Smithson {count}")
        make_contact(account, name="Pat Smithson", phone=f"+1555030{count:04d}")
        if count in (3, 30):
            client.get("/admin/search/", {"q": "smithson"})
            with CaptureQueriesContext(connection) as queries:
                page = asked(client, "smithson")
            assert counted in (0, len(queries))
            counted = len(queries)
    assert counted < 40
    assert page.count("Pat Smithson") + page.count("name</td>") == 20
    assert "All 30 in the list" in page
