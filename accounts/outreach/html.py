"""Pure: the HTML of an e-mail, made from its plain text by one layout, the same each time.

Everything is escaped; nothing is loaded from anywhere. A paragraph that ends in the customer's own link becomes a
button, and the paragraph that begins with the company's name, at the end, the small print.
"""

import re
from html import escape

_URL = re.compile(r"https?://[^\s<>\"]+")
_DAY = re.compile(r"(?<![\d-])\d{4}-\d\d-\d\d(?![\d-])")
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_LABELS = {"en": "See and pay online", "es": "Ver y pagar en línea"}
_LABEL_MAX = 60

_LAYOUT = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
@media (prefers-color-scheme: dark) {{
  .ground {{ background: #111827 !important; }}
  .sheet {{ background: #1f2937 !important; border-color: #374151 !important; }}
  .ink {{ color: #f3f4f6 !important; }}
  .soft {{ color: #b6bcc6 !important; border-color: #374151 !important; }}
  .link {{ color: #93c5fd !important; }}
}}
</style>
</head>
<body class="ground" style="margin:0;padding:0;background:#f3f4f6">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f6">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="sheet" width="100%" cellpadding="0" cellspacing="0"
 style="max-width:560px;background:#ffffff;border:1px solid #d7dbe2;border-radius:8px">
<tr><td class="ink" style="padding:24px 28px 0;{font};font-size:18px;font-weight:600;color:#1f2937">{company}</td></tr>
<tr><td style="padding:8px 28px 20px">
{blocks}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
"""
_PARAGRAPH = '<p class="ink" style="margin:14px 0;{font};font-size:16px;line-height:1.5;color:#1f2937">{text}</p>'
_SMALL = (
    '<p class="soft" style="margin:24px 0 0;padding-top:14px;border-top:1px solid #d7dbe2;{font};font-size:13px;'
    'line-height:1.5;color:#4b5563">{text}</p>'
)
_BUTTON = (
    '<p style="margin:20px 0"><a href="{url}" style="display:inline-block;padding:12px 22px;background:#1d4ed8;'
    'color:#ffffff;border-radius:6px;{font};font-size:16px;font-weight:600;text-decoration:none">{label}</a></p>'
)


def html_of(body: str, *, company_name: str, pay_url: str = "", language: str = "en", subject: str = "") -> str:
    """Return the HTML of a letter: the same words as its text, laid out for a small or a large screen."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", body.strip()) if block.strip()]
    signed = len(blocks) > 1 and blocks[-1].startswith(company_name)
    parts = [_block(block, pay_url, language) for block in (blocks[:-1] if signed else blocks)]
    if signed:
        parts.append(_SMALL.format(font=_FONT, text=_linked(blocks[-1])))
    return _LAYOUT.format(
        language=escape(language), title=escape(subject or company_name), company=escape(company_name), font=_FONT,
        blocks="\n".join(parts),
    )  # fmt: skip


def _block(block: str, pay_url: str, language: str) -> str:
    """Return one paragraph; one that ends in the customer's own link becomes a button that says what it says."""
    if pay_url and block.endswith(pay_url) and _is_link(pay_url):
        before = block.removesuffix(pay_url).strip()
        said, _, label = before.rpartition("\n")
        label = label.rstrip(": ")
        if not label or len(label) > _LABEL_MAX or label.endswith("."):
            said, label = before, _LABELS.get(language, _LABELS["en"])
        button = _BUTTON.format(font=_FONT, url=escape(pay_url), label=escape(label))
        return f"{_PARAGRAPH.format(font=_FONT, text=_linked(said))}\n{button}" if said.strip() else button
    return _PARAGRAPH.format(font=_FONT, text=_linked(block))


def _is_link(text: str) -> bool:
    return bool(_URL.fullmatch(text))


def _linked(text: str) -> str:
    """Return escaped text, its lines kept and its addresses made links."""
    parts, at = [], 0
    for match in _URL.finditer(text):
        url = match.group().rstrip(".,;:!?)")
        parts += [
            _escaped(text[at : match.start()]),
            f'<a class="link" href="{escape(url)}" style="color:#1d4ed8">{escape(url)}</a>',
        ]
        at = match.start() + len(url)
    parts.append(_escaped(text[at:]))
    return "".join(parts).replace("\n", "<br>\n")


def _escaped(text: str) -> str:
    """Return escaped text whose dates are not torn apart at the end of a line."""
    return _DAY.sub(r'<span style="white-space:nowrap">\g<0></span>', escape(text))
