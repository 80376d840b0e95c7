"""A logo is looked at when it is uploaded: what cannot be printed is refused in words."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Company
from tests.backoffice import staff_client
from tests.factories import make_company, make_staff

pytestmark = pytest.mark.django_db

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path d="M0 0h4v4z"/></svg>'


@pytest.fixture(autouse=True)
def media(settings: object, tmp_path: Path) -> None:
    """Keep uploads in a folder of the test."""
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]


def upload(client: Client, company: Company, content: bytes) -> str:
    """Send the company's form with a logo, and return the page that answers."""
    page = client.get(reverse("admin:accounts_company_change", args=[company.pk]))
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields if name != "logo"}
    values["logo"] = SimpleUploadedFile("logo.svg", content)
    address = reverse("admin:accounts_company_change", args=[company.pk])
    return client.post(address, values, follow=True).content.decode()


def test_a_logo_is_kept_and_given_back_to_staff_alone() -> None:
    client, company = staff_client(), make_company()
    upload(client, company, SVG)
    company.refresh_from_db()
    answer = client.get(company.logo.url)
    assert b"".join(answer) == SVG  # type: ignore[arg-type]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    door = Client()
    assert door.get(company.logo.url).status_code == 302
    door.force_login(make_staff("door", "view_account"))
    assert door.get(company.logo.url).status_code == 403
    assert client.get("/admin/accounts/company/logos/other.svg").status_code == 404


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GIF89a", "neither PNG nor SVG"),
        (SVG.replace(b"<path", b"<script"), "plain shapes"),
        (SVG[:-3], "is damaged"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01", "is damaged"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00", "65536 × 65536 pixels"),
        (SVG + b" " * 600_000, "larger than 512 KB"),
    ],
)
def test_a_logo_that_cannot_be_printed_is_refused_in_words(content: bytes, words: str) -> None:
    company = make_company()
    assert words in upload(staff_client(), company, content).replace("&#x27;", "'")
    company.refresh_from_db()
    assert not company.logo
