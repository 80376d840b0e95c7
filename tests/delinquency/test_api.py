"""The JSON API: who may come in, what each call does, and that nothing happens twice."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency import roles
from delinquency.models import ApiRequest, ApiToken, GraceGrant
from delinquency.operations.api_tokens import forget_old, make_token, revoke_token
from invoicing.models import Invoice, MoneyLimit, Payment
from netenforce.models import Hold
from tests.backoffice import make_customer, make_version
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
ROOT = "/api/v1"


def role(name: str) -> Group:
    return Group.objects.get(name=name)


def token_for(role_name: str = roles.CLERKS, **more: Any) -> tuple[ApiToken, str]:
    boss, _ = User.objects.get_or_create(username="boss", defaults={"is_staff": True, "is_superuser": True})
    return make_token(name=more.pop("name", role_name), role=role(role_name), by=boss, **more)


class Program:
    """Another program, with a token."""

    def __init__(self, text: str) -> None:
        self.client = Client(headers={"authorization": f"Bearer {text}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(ROOT + path, query)

    def post(self, path: str, body: Any, key: str = "k-1") -> Any:
        headers = {"idempotency-key": key} if key else {}
        return self.client.post(ROOT + path, body, content_type="application/json", headers=headers)


@pytest.fixture
def program() -> Program:
    return Program(token_for()[1])


@pytest.fixture
def late() -> Account:
    return make_customer("10001", make_version(), delinquent=True)


def test_without_a_token_in_force_nobody_comes_in(late: Account) -> None:
    made, text = token_for()
    assert Program(text).get("/accounts").status_code == 200
    for wrong in ("", "x", text[:-1], text + "x", f"{made.prefix}.", "a.b\0c", "é" * 9 + ".x"):
        answer = Client(headers={"authorization": f"Bearer {wrong}".encode().decode("latin-1")}).get(f"{ROOT}/accounts")
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json"), wrong
    assert Client().get(f"{ROOT}/accounts")["WWW-Authenticate"] == "Bearer"
    revoke_token(made, reason="lost")
    assert Program(text).get("/accounts").status_code == 401


def test_a_token_ends_when_it_said_it_would() -> None:
    _, text = token_for(expires_at=clock.now() + timedelta(hours=1))
    assert Program(text).get("/accounts").status_code == 200
    with clock.at(clock.now() + timedelta(hours=2)):
        assert Program(text).get("/accounts").status_code == 401


def test_the_text_of_a_token_is_kept_nowhere() -> None:
    made, text = token_for()
    assert text.partition(".")[2] not in str(ApiToken.objects.values().get(pk=made.pk))
    assert not made.user.has_usable_password()
    assert not made.user.is_staff


def test_a_token_is_never_stronger_than_whoever_makes_it() -> None:
    clerk = make_staff("casey")
    clerk.groups.add(role(roles.CLERKS))
    with pytest.raises(Refused, match="never stronger"):
        make_token(name="x", role=role(roles.MANAGERS), by=clerk)
    rich = Group.objects.create(name="As little, but with higher limits")
    MoneyLimit.objects.create(group=rich, waive_max="9999.00")
    with pytest.raises(Refused, match="give away more than you may"):
        make_token(name="x", role=rich, by=clerk)
    assert make_token(name="x", role=role(roles.SUPPORT), by=clerk)


def test_each_role_does_what_it_may_and_no_more(late: Account) -> None:
    reader = Program(token_for(roles.AUDITORS)[1])
    assert reader.get("/accounts/10001/standing").status_code == 200
    refused = reader.post("/payments", {"reference": "P-9", "account": "10001", "amount": "1.00"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert "invoicing.record_payment" in refused.json()["detail"]
    assert not Payment.objects.filter(reference="P-9").exists()
    support = Program(token_for(roles.SUPPORT)[1])
    body = {"status": "Active", "reason": "moved"}
    assert support.post("/accounts/10001/status", body).status_code == 403


def test_calls_beyond_the_rate_are_put_off(late: Account) -> None:
    program = Program(token_for(per_minute_max=2)[1])
    with clock.at(clock.now().replace(second=1)):
        assert [program.get("/accounts").status_code for _ in range(3)] == [200, 200, 429]
        assert int(program.get("/accounts")["Retry-After"]) == 60
    with clock.at(clock.now() + timedelta(minutes=2)):
        assert program.get("/accounts").status_code == 200


@pytest.mark.parametrize("megabytes", [2, 4])
def test_a_body_that_is_too_large_is_not_even_read(program: Program, megabytes: int) -> None:
    answer = program.post("/payments", {"reference": "x" * (megabytes * 1024 * 1024)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_accounts_are_read_page_by_page_with_as_many_queries_as_one(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    version = make_version()
    for number in range(7):
        make_customer(f"2000{number}", version, delinquent=number == 3)
    seen, after = [], ""
    while after is not None:
        with django_assert_max_num_queries(8):
            page = program.get("/accounts", limit=3, after=after).json()
        seen += [row["number"] for row in page["items"]]
        after = page["next"]
    assert seen == [f"2000{number}" for number in reversed(range(7))]
    late = program.get("/accounts", delinquent="true").json()["items"]
    assert [row["number"] for row in late] == ["20003"]
    assert late[0]["unpaid"] == f"{Invoice.objects.get(account__number='20003').remaining:.2f}"
    assert program.get("/accounts", limit=201).status_code == 400
    assert program.get("/accounts", after="x").json()["code"] == "bad_after"


def test_standing_says_what_is_owed_and_what_comes_next(program: Program, late: Account) -> None:
    found = program.get("/accounts/10001/standing").json()
    invoice = Invoice.objects.get(account=late)
    assert found["unpaid"] == f"{invoice.remaining:.2f}"
    assert found["oldest_unpaid"] == invoice.number
    assert found["delinquent_since"] is not None
    for step in found["next_steps"]:
        assert step["why"]
        assert step["at"].endswith(("-05:00", "-04:00", "Z"))
    assert program.get("/accounts/nobody/standing").json()["code"] == "not_found"


def test_a_payment_is_recorded_once_however_often_it_is_sent(program: Program, late: Account) -> None:
    invoice = Invoice.objects.get(account=late)
    body = {"reference": "WEB-1", "account": "10001", "amount": f"{invoice.remaining:.2f}", "method": "transfer"}
    first, again = program.post("/payments", body), program.post("/payments", body)
    assert (first.status_code, again.status_code) == (201, 201), first.content
    assert first.json() == again.json()
    payment = Payment.objects.get(reference="WEB-1")
    assert payment.recorded_by is not None
    assert payment.recorded_by.username == f"api:{roles.CLERKS}"
    invoice.refresh_from_db()
    assert invoice.remaining == Decimal("0.00")
    other = program.post("/payments", body | {"amount": "1.00"})
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    assert program.post("/payments", body, key="").json()["code"] == "key_missing"
    # What was refused may be tried again under its key.
    refused = program.post("/payments", body | {"reference": "WEB-2"}, key="k-2")
    assert (refused.status_code, refused.json()["code"]) == (422, "already_settled")
    assert program.post("/payments", body | {"reference": "WEB-2", "keep_rest": True}, key="k-2").status_code == 201
    assert ApiRequest.objects.count() == 2


def test_a_payment_that_came_back_is_reversed(program: Program, late: Account) -> None:
    program.post("/payments", {"reference": "WEB-1", "account": "10001", "amount": "5.00"})
    answer = program.post("/payments/WEB-1/reverse", {"reason": "returned by the bank"}, key="k-2")
    assert answer.json()["reversed_why"] == "returned by the bank"
    assert program.get("/payments", account="10001").json()["items"][0]["reversed_at"] is not None


def test_an_account_is_opened_and_changed_as_an_import_would(program: Program, late: Account) -> None:
    default = late.billing_parameters.billing_default.name
    body = {
        "number": "0042", "name": "Ann Ox", "billing_default": default, "timezone": "America/New_York",
        "contact_name": "Ann", "email": "ann@customer.example", "phone": "+15550109999", "ipv4": "100.64.7.7",
    }  # fmt: skip
    made = program.post("/accounts", body)
    assert made.status_code == 201, made.content
    assert made.json()["contact"]["email"] == "ann@customer.example"
    assert Account.objects.get(number="0042").service_lines.get().ipv4 == "100.64.7.7"
    assert program.post("/accounts", body, key="k-2").json()["code"] == "number_taken"
    wrong = program.post("/accounts", body | {"number": "0043", "billing_default": "None such"}, key="k-3")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "billing_default"
    assert not Account.objects.filter(number="0043").exists()
    changed = program.post("/accounts/0042/contact", {"email": "ox@customer.example", "reason": "asked"}, key="k-4")
    assert (changed.json()["contact"]["email"], changed.json()["contact"]["name"]) == ("ox@customer.example", "Ann")
    status = program.post("/accounts/0042/status", {"status": "Nope", "reason": "moved"}, key="k-5")
    assert status.json()["code"] == "unknown_status"


def test_an_invoice_of_another_program_is_recorded(program: Program, late: Account) -> None:
    body = {"number": "EXT-1", "account": "10001", "issued_on": "2026-01-10", "due_on": "2026-01-25", "amount": "9.90"}
    boss = Program(token_for(roles.ADMINISTRATORS)[1])
    made = boss.post("/invoices", body)
    assert (made.status_code, made.json()["unpaid"]) == (201, "9.90"), made.content
    assert boss.post("/invoices", body, key="k-2").json()["code"] == "number_taken"
    assert boss.post("/invoices", body | {"number": "E-2", "amount": "9.9"}, key="k-3").status_code == 400
    numbers = [row["number"] for row in program.get("/invoices", account="10001", state="open").json()["items"]]
    assert "EXT-1" in numbers


def test_grace_and_restrictions_are_given_and_ended(late: Account) -> None:
    boss = Program(token_for(roles.ADMINISTRATORS)[1])
    until = (clock.today(late.timezone) + timedelta(days=5)).isoformat()
    given = boss.post("/accounts/10001/grace", {"until_on": until, "reason": "storm"})
    assert given.status_code == 201, given.content
    assert [row["until"] for row in given.json()["items"] if row["kind"] == "grace"] == [until]
    assert GraceGrant.objects.get(account=late).granted_by is not None
    held = boss.post("/accounts/10001/holds", {"cause": "abuse", "level": "throttle", "reason": "spam"}, key="k-2")
    hold = Hold.objects.get(account=late, cause="abuse")
    assert hold.pk in [row["id"] for row in held.json()["items"]]
    money = Hold.objects.filter(account=late, cause="non_payment").first()
    if money is not None:
        refused = boss.post(f"/accounts/10001/holds/{money.pk}/lift", {"reason": "please"}, key="k-3")
        assert refused.json()["code"] == "lift_not_for_money"
    assert boss.post(f"/accounts/10001/holds/{hold.pk}/lift", {"reason": "clean"}, key="k-4").status_code == 200
    hold.refresh_from_db()
    assert hold.lifted_at is not None


def test_what_is_kept_is_forgotten_after_a_month(program: Program, late: Account) -> None:
    program.post("/payments", {"reference": "WEB-1", "account": "10001", "amount": "5.00"})
    with clock.at(clock.now() + timedelta(days=29)):
        assert forget_old() == 0
    with clock.at(clock.now() + timedelta(days=31)):
        assert forget_old() == 2
