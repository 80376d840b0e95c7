"""What the audit record notes: every way of writing, who, why, and never a secret or a person's data."""

import pytest
from django.db import connection, transaction
from accounts.models import AuditEntry
from billing_project.kernel import acting
from tests.factories import make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db


def last(table):
    return AuditEntry.objects.filter(table=table).first()

def test_a_change():
    a = make_account()
    with acting.as_program("task x"):
        a.name = "N"; a.timezone = "UTC"
        a._change_reason = "moved"
        a.save()
    e = last("accounts_account")
    print(vars(e))
    c = make_contact(a)
    print(vars(last("accounts_contact")))
    u = make_staff("bob")
    u.set_password("abc"); u.save()
    print(vars(last("accounts_user")))
    assert 0
