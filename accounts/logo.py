"""A company's logo: what may be uploaded, and the drawing (SVG) that documents print."""

import base64
import re
import struct
import zlib
from xml.etree import ElementTree

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
    try:
        ElementTree.fromstring(text)  # noqa: S314  # no entities: what declares some was refused above
    except ElementTree.ParseError as error:
        raise Refused("logo_unreadable", f"The logo's SVG is damaged ({error}); save it anew.") from error
    return text


def _around_png(content: bytes) -> str:
    width, height = struct.unpack(">II", content[16:24])
    if not 0 < width * height <= LOGO_PIXELS_MAX:
        raise Refused("logo_too_large", f"The logo has {width} × {height} pixels; 1000 × 400 are plenty.")
    if not _is_whole(content):
        raise Refused("logo_unreadable", "The logo's PNG is damaged; save it anew.")
    data = base64.b64encode(content).decode("ascii")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" xlink:href="data:image/png;base64,{data}"/></svg>'
    )


def _is_whole(content: bytes) -> bool:
    """Tell whether every part of a PNG is there, with its check sum, to the end mark."""
    place, kind = 8, b""
    while kind != b"IEND" and place + 12 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        kind, end = content[place + 4 : place + 8], place + 8 + size
        if end + 4 > len(content) or zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return False
        place = end + 4
    return kind == b"IEND"
