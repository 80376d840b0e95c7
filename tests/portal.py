"""A customer's browser in the portal."""

from typing import Any

from django.test import Client
from django.urls import reverse

from accounts import sign_in
from accounts.access import link_to
from accounts.models import Account, Notice

HOME, ASK, ASKED = "/portal/", "/portal/link/", "/portal/link/sent/"


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


def ask(client: Client, who: str = "7001", channel: str = "email", **headers: Any) -> None:
    """Ask for a link, and let the task answer."""
    answer = client.post(ASK, {"who": who, "channel": channel}, **headers)
    assert (answer.status_code, answer["Location"]) == (303, ASKED)
    sign_in.answer_requests()


def letter() -> Notice:
    """Return the newest letter with a link."""
    return Notice.objects.filter(template="portal_link").order_by("-pk")[0]


def code_of(notice: Notice) -> str:
    """Return the code that a letter carries."""
    return str(notice.context["sign_in_code"])


def path_of(notice: Notice) -> str:
    """Return the path of the link that a letter carries."""
    return f"/{notice.context['pay_url'].split('/', 3)[3]}"


def is_in(client: Client) -> bool:
    """Tell whether an account is open in a browser."""
    return client.get("/portal/tickets/").status_code == 200
