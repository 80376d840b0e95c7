"""The OpenAPI document is true: whatever it allows is answered as it says, and hostile input never with 500."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing_project.wsgi import application
from delinquency import roles
from delinquency.models import ApiToken
from tests.backoffice import make_customer, make_version
from tests.delinquency.test_api import token_for

pytestmark = pytest.mark.django_db
CASES = int(os.environ.get("API_CASES", "6"))
MILD = settings(
    max_examples=CASES, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Let calls through the server's own door stay inside the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _all_calls() -> list[tuple[str, str]]:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    return [(found.ok().path, found.ok().method) for found in schema.get_all_operations()]


def test_every_call_is_answered_as_the_document_says() -> None:
    make_customer("10001", make_version(), delinquent=True)
    text = token_for(roles.ADMINISTRATORS, per_minute_max=6000)[1]
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    calls = _all_calls()
    assert len(calls) >= 16

    def answered(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {text}", "Idempotency-Key": "one"})
        assert answer.status_code < 500, answer.content
        case.validate_response(answer, checks=[schemathesis.checks.response_schema_conformance])

    for path, method in calls:
        MILD(given(case=schema[path][method].as_strategy())(answered))()


@settings(MILD, max_examples=CASES * 10)
@given(
    path=st.sampled_from(["/accounts", "/accounts/10001/grace", "/payments", "/invoices", "/accounts/x/holds/1/lift"]),
    body=st.binary(max_size=200) | st.text(max_size=60).map(str.encode),
    key=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=70),
)
def test_whatever_is_posted_is_answered_and_never_with_500(path: str, body: bytes, key: str) -> None:
    ApiToken.objects.filter(name="fuzz").delete()
    text = token_for(roles.ADMINISTRATORS, name=f"fuzz-{ApiToken.objects.count()}")[1]
    answer = Client(raise_request_exception=False).post(
        f"/api/v1{path}", body, content_type="application/json",
        headers={"authorization": f"Bearer {text}", "idempotency-key": key},
    )  # fmt: skip
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json"


def test_the_reference_shows_every_call_and_needs_nothing_from_elsewhere() -> None:
    page = Client().get("/api/v1/").content.decode()
    for path, method in _all_calls():
        assert f"{method.upper()} /api/v1{path.removeprefix('/api/v1')}" in page
    asked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert asked
    assert [address for address in asked if "//" in address] == []
    assert "<script" not in page
