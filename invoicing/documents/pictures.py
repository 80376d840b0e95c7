"""The pictures on a document, as drawings (SVG): the operator's logo, and the square that a telephone scans."""

import base64
import re
import struct
from functools import lru_cache

import qrcode
from qrcode.constants import ERROR_CORRECT_M

from billing_project.kernel.errors import Refused

LOGO_BYTES_MAX = 512 * 1024
LOGO_PIXELS_MAX = 4_000_000
# Copies of copies grow without bounds; a logo needs a few.
USES_MAX = 20
PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# What a drawing may not hold: other documents, scripts, entities, and effects that are computed point by point.
UNWANTED = re.compile(
    r"<!DOCTYPE|<!ENTITY|<\s*(\w+:)?(image|feImage|filter|script|foreignObject|pattern|mask|iframe)\b|@import|url\(\s*['\"]?\s*[^#'\")\s]",
    re.IGNORECASE,
)


def drawing_of_logo(content: bytes) -> str:
    """Return a logo file as a drawing; raises Refused if it is neither PNG nor SVG, too large, or up to something."""
    if len(content) > LOGO_BYTES_MAX:
        raise Refused("logo_too_large", f"The logo is larger than {LOGO_BYTES_MAX // 1024} KB; make it smaller.")
    if content.startswith(PNG_HEAD):
        return _around_png(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if "<svg" not in text:
        raise Refused("logo_unreadable", "The logo is neither PNG nor SVG; save it as one of these.")
    if UNWANTED.search(text) or len(re.findall(r"<\s*(?:\w+:)?use\b", text, re.IGNORECASE)) > USES_MAX:
        raise Refused(
            "logo_unsafe", "The logo's SVG holds scripts, effects, or other documents; save it as plain shapes."
        )
    return text


@lru_cache(maxsize=32)
def drawing_of_code(address: str) -> str:
    """Return the QR code of an address, dark squares without a border."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=0)
    code.add_data(address)
    code.make(fit=True)
    rows = code.get_matrix()
    # Neighbours in one stroke: no hairlines between them, and a shorter file.
    path = "".join(
        f"M{match.start()} {y}h{len(match.group())}v1h-{len(match.group())}z"
        for y, row in enumerate(rows)
        for match in re.finditer("1+", "".join("1" if dark else "0" for dark in row))
    )
    size = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#000" d="{path}"/></svg>'
    )


def _around_png(content: bytes) -> str:
    width, height = struct.unpack(">II", content[16:24])
    if not 0 < width * height <= LOGO_PIXELS_MAX:
        raise Refused("logo_too_large", f"The logo has {width} × {height} pixels; 1000 × 400 are plenty.")
    data = base64.b64encode(content).decode("ascii")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" xlink:href="data:image/png;base64,{data}"/></svg>'
    )
