"""A customer's browser in the portal."""

from django.test import Client
from django.urls import reverse

from accounts.access import link_to
from accounts.models import Account


def come_in(client: Client, account: Account, to: str = "") -> str:
    """Open an account by a link, as a person does: look at it, then press the button; return where that led."""
    return open_link(client, link_to(account, to))


def open_link(client: Client, link: str) -> str:
    """Look at a link, whose secret is gone from the address at once, and press the button; return where that led."""
    looked = client.get(f"/{link.split('/', 3)[3]}")
    assert (looked.status_code, looked["Location"].partition("?")[0]) == (303, reverse("portal-open"))
    pressed = client.post(looked["Location"])
    assert pressed.status_code == 303
    return str(pressed["Location"])
