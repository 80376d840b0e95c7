"""The square on an invoice that a telephone scans."""

import re
from functools import lru_cache

import qrcode
from qrcode.constants import ERROR_CORRECT_M


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
