"""import_devices and import_funding_sources: secrets and card numbers are never repeated."""

import json
from pathlib import Path

import pytest

from accounts.models import FundingSource
from delinquency.imports import accounts, devices, funding_sources
from netenforce.models import Device
from tests.csv_files import ACCOUNT, DEVICE, SOURCE, Files, mistakes, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_device_keeps_its_secret_when_the_file_has_none(write: Files) -> None:
    devices.import_devices(write("devices", DEVICE))
    found = devices.import_devices(write("devices", DEVICE | {"secret": "", "port": "8729"}))
    assert found.updated == 1
    device = Device.objects.get()
    assert (device.secret, device.port, device.options) == ("s3cret", 8729, {"tls": False})


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"driver": "telnet"}, "driver"),
        ({"port": "70000"}, "port"),
        ({"options": "{tls}"}, "options"),
        ({"options": "[1]"}, "options"),
        ({"options": '{"tsl": true}'}, "options"),
        ({"options": '{"tls": "no"}'}, "options"),
        ({"host": ""}, "host"),
        ({"name": ""}, "name"),
    ],
)
def test_a_device_that_cannot_be_is_named_without_its_secret(write: Files, cells: dict[str, str], column: str) -> None:
    code, out, err = run("import_devices", write("devices", DEVICE | cells), json=True)
    assert code == 1
    assert [error["column"] for error in json.loads(out)["errors"]] == [column]
    assert "s3cret" not in out + err
    assert not Device.objects.exists()


def test_an_option_that_a_mikrotik_device_does_not_have_is_told_with_those_it_has(write: Files) -> None:
    _, out, _ = run("import_devices", write("devices", DEVICE | {"options": '{"tsl": true}'}), json=True)
    assert "cannot be: 'tsl' is no option of a MikroTik device; it knows tls, verify, ca_pem" in out
    radius = DEVICE | {"driver": "radius", "options": '{"tsl": true}', "secret": '{"coa": "s3cret"}'}
    _, out, _ = run("import_devices", write("devices", radius), json=True)
    assert "'tsl' is no option of a RADIUS device" in out
    assert run("import_devices", write("devices", DEVICE | {"driver": "simulated", "options": '{"tsl": true}'}))[0] == 0


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [("radius", "{}", "write one line of JSON"), ("webhook", '{"url": "https://a.example"}', "fewer than 16 signs")],
)
def test_a_secret_that_a_device_cannot_use_is_refused_and_not_repeated(
    write: Files, driver: str, options: str, words: str
) -> None:
    cells = DEVICE | {"driver": driver, "options": options, "secret": "hush-hush"}
    code, out, err = run("import_devices", write("devices", cells), json=True)
    assert (code, [error["column"] for error in json.loads(out)["errors"]]) == (1, ["secret"])
    assert words in out
    assert "hush-hush" not in out + err


def test_a_funding_source_is_replaced_in_its_rank(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    second = SOURCE | {
        "rank": "2",
        "source_token": "tok_second",
        "last4": "",
        "expires_on": "",
        "customer_token": "",
    }
    funding_sources.import_funding_sources(write("sources", SOURCE, second))
    found = funding_sources.import_funding_sources(write("sources", SOURCE, second | {"source_token": "tok_third"}))
    assert (found.updated, found.unchanged) == (1, 1)
    assert list(FundingSource.objects.values_list("rank", "source_token")) == [
        (1, "tok_ok"),
        (2, "tok_third"),
    ]


@pytest.mark.parametrize("column", ["customer_token", "source_token", "brand", "last4"])
@pytest.mark.parametrize("number", ["4242424242424242", "4242 4242-4242 4242", "tok_378282246310005"])
def test_what_looks_like_a_card_number_is_refused_and_not_echoed(write: Files, column: str, number: str) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    code, out, err = run("import_funding_sources", write("sources", SOURCE | {column: number}), json=True)
    assert code == 1
    assert "looks like a card number" in err
    assert number not in out + err
    assert not FundingSource.objects.exists()


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"rank": "3"}, "rank"),
        ({"gateway": "paybuddy"}, "gateway"),
        ({"source_token": ""}, "source_token"),
        ({"last4": "42"}, "last4"),
        ({"expires_on": "05/28"}, "expires_on"),
        ({"account": "0018"}, "account"),
    ],
)
def test_a_funding_source_that_cannot_be_is_named(write: Files, cells: dict[str, str], column: str) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    assert mistakes(funding_sources.import_funding_sources(write("sources", SOURCE | cells))) == [(2, column)]


def test_one_card_cannot_be_both_of_an_account(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    found = funding_sources.import_funding_sources(write("sources", SOURCE, SOURCE | {"rank": "2"}))
    assert mistakes(found) == [(3, "source_token")]
