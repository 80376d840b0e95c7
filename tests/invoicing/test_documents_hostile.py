"""Whatever customers, staff and logos hold: it is printed as it is, or left out, and never stops a document."""

import struct
import zlib
from dataclasses import replace

import pytest

from accounts.logo import LOGO_BYTES_MAX, drawing_of_logo
from billing_project.kernel.errors import Refused
from invoicing.documents.pictures import drawing_of_code
from invoicing.documents.typesetting import can_be_drawn, typeset
from tests.invoicing.papers import CUSTOMER, invoice, line, needs_pdftotext, pdf, receipt, said, squeezed

TEXTS = [
    "#panic()", '#read("/etc/passwd")', "$ x^2 $", "\\", "`raw` ```raw```", "*bold* _slanted_ <label> @ref",
    "// comment", "/* comment */", "= Heading", "#import \"x\": *", "{number}", "\"quoted\" 'quoted' -- --- ...",
    "wide \u00c5\u0141\u0416\u03a9\u1ec6", "emoji \U0001f600", "שלום", "{{ template }} {% tag %}",
]  # fmt: skip


@needs_pdftotext
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_hostile_text_is_printed_literally(text: str) -> None:
    facts = invoice(line(text), customer=replace(CUSTOMER, name=text[:200], contact=text[:200]), number=text[:64])
    found = squeezed(said(pdf(facts)))
    wanted = squeezed(text)
    # The order of letters that run from right to left is the reader's affair.
    assert wanted in found or wanted[::-1] in found
    assert squeezed(text[:64]) in squeezed(said(pdf(receipt(reference=text[:64])))) or text == "שלום"


@needs_pdftotext
def test_a_word_that_never_ends_is_printed_whole_over_several_pages() -> None:
    content = pdf(invoice(line("ø" * 10_000)))
    assert said(content).count("ø") == 10_000
    assert pdf(invoice(customer=replace(CUSTOMER, name="ø" * 10_000))).startswith(b"%PDF-")


@pytest.mark.parametrize(
    "text", ["日本語", "\ue000", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\ufffe", "a\u0301" * 300]
)
def test_a_sign_that_no_font_has_stops_no_document(text: str) -> None:
    assert pdf(invoice(line(text), customer=replace(CUSTOMER, name=text))).startswith(b"%PDF-")


@needs_pdftotext
def test_control_signs_and_turned_directions_are_left_out() -> None:
    text = said(pdf(invoice(line("pay\x00 \x07 now \u202e001\u202c"))))
    assert squeezed("pay now 001") in squeezed(text)


def test_a_document_without_any_words_is_still_made() -> None:
    from invoicing.documents.facts import Customer, Operator

    facts = invoice(line(""), operator=Operator(name="", portal_url="http://h"), customer=Customer(name="", number=""))
    assert pdf(facts).startswith(b"%PDF-")


def test_a_page_that_lacks_something_is_refused_and_the_next_one_is_made() -> None:
    with pytest.raises(Refused, match="cannot be set"):
        typeset("invoice", {}, stamp=0)
    assert pdf(invoice()).startswith(b"%PDF-")


def png(width: int = 2, height: int = 1, *, pixels: bytes | None = None) -> bytes:
    """Return a PNG of red points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\xff\x00\x00" * width for _ in range(height)) if pixels is None else pixels
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4">{}</svg>'


@pytest.mark.parametrize(
    "content", [png(), SVG.format('<path d="M0 0h4v4z"/>').encode(), b"\xef\xbb\xbf" + SVG.encode()]
)
def test_a_logo_as_png_or_svg_is_drawn(content: bytes) -> None:
    assert can_be_drawn(drawing_of_logo(content))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"GIF89a", b"\x1f\x8b\x08\x00svg", png(100_000, 100_000, pixels=b""), b"x" * (LOGO_BYTES_MAX + 1),
        SVG.format('<script>alert(1)</script>').encode(), SVG.format('<image href="/etc/passwd"/>').encode(),
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.format("<text>&a;</text>").encode(),
        SVG.format('<style>@import url("http://evil.example/x.css")</style>').encode(),
        SVG.format('<path fill="url(http://evil.example/)"/>').encode(),
        SVG.format('<filter id="f"/>').encode(), SVG.format('<use href="#a"/>' * 21).encode(),
        SVG.format("<svg:image/>").encode(), SVG.encode("utf-16"),
    ],
)  # fmt: skip
def test_a_logo_that_is_none_or_holds_more_than_shapes_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        drawing_of_logo(content)


@pytest.mark.parametrize("content", [png()[:-20], png(pixels=b"\x00"), b"<svg", b"<svg></svg></svg>"])
def test_a_broken_logo_is_seen_before_it_spoils_a_document(content: bytes) -> None:
    try:
        drawing = drawing_of_logo(content)
    except Refused:
        return
    # Either it can be drawn after all, and then documents are made with it, or it is left out.
    if can_be_drawn(drawing):
        assert pdf(invoice(operator=replace(invoice().operator, logo=drawing))).startswith(b"%PDF-")


def test_the_code_holds_the_address_and_no_token() -> None:
    drawing = drawing_of_code("https://pay.valley.example/portal/link/")
    assert drawing == drawing_of_code("https://pay.valley.example/portal/link/")
    assert drawing != drawing_of_code("https://pay.valley.example/portal/link/x")
    assert can_be_drawn(drawing)
