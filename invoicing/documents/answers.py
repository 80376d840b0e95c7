"""Documents as answers to a browser: to be saved, kept by no cache, and taken for nothing but what they are."""

from collections.abc import Iterable

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from .bundle import Part, bundle

PDF, ZIP = "application/pdf", "application/zip"


def pdf_answer(content: bytes, name: str) -> HttpResponse:
    """Return a PDF under a file name, which must hold nothing but letters, figures, dashes and dots."""
    answer = HttpResponse(content, content_type=PDF)
    _guard(answer, name)
    return answer


def zip_answer(parts: Iterable[Part], name: str) -> StreamingHttpResponse:
    """Return many documents as one ZIP that is sent while it is made."""
    answer = StreamingHttpResponse(bundle(parts), content_type=ZIP)
    _guard(answer, name)
    return answer


def _guard(answer: HttpResponseBase, name: str) -> None:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    answer["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    answer["Referrer-Policy"] = "same-origin"
