"""A hardware address in any usual writing is one address."""

import pytest

from accounts.rules.macs import tidy_mac, why_no_mac


@pytest.mark.parametrize(
    "typed",
    [
        "4c:5e:0c:02:ab:9f", "4C-5E-0C-02-AB-9F", "4c5e.0c02.ab9f", "4c5e:0c02:ab9f", "4c5e0c-02ab9f", " 4C5E0C02AB9F ",
        "4c:5e:c:2:ab:9f", "4c 5e 0c 02 ab 9f",
    ],
)  # fmt: skip
def test_every_usual_writing_is_the_same_address(typed: str) -> None:
    assert tidy_mac(typed) == "4c:5e:0c:02:ab:9f"
    assert why_no_mac(typed) == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("4c:5e:0c:02:ab", "is no MAC"),
        ("4c:5e-0c:02:ab:9f", "is no MAC"),
        ("4c5e0c02ab9g", "is no MAC"),
        ("", "is no MAC"),
        ("00:00:00:00:00:00", "on no device"),
        ("FF-FF-FF-FF-FF-FF", "on no device"),
        ("01:00:5e:00:00:01", "group of devices"),
    ],
)
def test_what_is_on_no_customers_device_is_refused(typed: str, said: str) -> None:
    assert said in why_no_mac(typed)
