"""The webhook driver against a program that answers wrongly, late, half, or as somebody else."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from billing_project.kernel import calls
from billing_project.kernel.errors import OutcomeUnknown, Rejected, Unavailable
from netenforce.drivers.port import Change, Inventory, Probe
from netenforce.drivers.webhook import PAGES_MAX, WebhookDriver
from netenforce.models import Device
from netenforce.rules.desired import Held
from tests.devices import all_of, some_of
from tests.faults.servers import free_port
from tests.peers.webhook_fake import SECRET, Reply, WebhookFake, running

A, B, C = "100.64.0.1", "100.64.0.2", "2001:db8:1::/56"
driver = WebhookDriver()


@pytest.fixture
def fake() -> Iterator[WebhookFake]:
    with running() as found:
        yield found


def device(fake: WebhookFake, **options: Any) -> Device:
    return Device(name="olt", driver="webhook", secret=SECRET, options={"url": fake.url, **options})


def change(address: str, level: str, list_name: str = "") -> Change:
    return Change(address=address, level=level, list_name=list_name)


THREE = [change(A, "throttle", "Slow"), change(B, "suspend"), change(C, "walled_garden")]
HELD = {A: "throttle", B: "suspend", C: "walled_garden"}


def test_a_call_tells_what_each_line_should_be_and_at_which_speed(fake: WebhookFake) -> None:
    fast = Change(address=A, level="throttle", list_name="Slow", rate_down_kbit=512, rate_up_kbit=128)
    driver.apply(device(fake), [fast, change(B, "open", "Slow")])
    [call] = fake.heard
    assert (call["verb"], call["device"], call["protocol"]) == ("apply", "olt", 1)
    assert call["changes"] == [
        {"address": A, "level": "throttle", "list": "Slow", "rate_down_kbit": 512, "rate_up_kbit": 128},
        {"address": B, "level": "open", "list": "", "rate_down_kbit": None, "rate_up_kbit": None},
    ]
    assert fake.paths == ["/billing?site=1"]
    assert SECRET not in json.dumps(fake.heard)


def test_what_the_program_says_of_itself_is_shown(fake: WebhookFake) -> None:
    assert driver.probe(device(fake)) == Probe(
        version="2.1", model="fake", uptime_seconds=77, notes=["It has no rule yet."]
    )


def test_everything_is_read_page_by_page_with_what_others_made_apart(fake: WebhookFake) -> None:
    driver.apply(device(fake), THREE)
    fake.held["198.51.100.1"] = {"address": "198.51.100.1", "level": "suspend", "list": "Off", "ours": False}
    fake.page_rows = 3
    assert driver.read_all(device(fake)) == Inventory(
        ours={A: Held(level="throttle", list_name="Slow"), B: Held(level="suspend"), C: Held(level="walled_garden")},
        foreign={"198.51.100.1": Held(level="suspend", list_name="Off")},
    )
    assert fake.verbs() == ["apply", "read_all", "read_all"]
    driver.adopt(device(fake), ["198.51.100.1"])
    assert driver.read_all(device(fake)).foreign == {}


def test_a_call_carries_no_more_lines_than_the_options_say(fake: WebhookFake) -> None:
    edge = device(fake, batch=2)
    driver.apply(edge, THREE)
    assert some_of(driver, edge, [A, B, C]) == HELD
    assert [len(call.get("changes") or call.get("addresses")) for call in fake.heard] == [2, 1, 2, 1]


def test_lines_may_be_known_by_their_radius_names(fake: WebhookFake) -> None:
    edge = device(fake, identifier="radius_username")
    bound = driver.bound_to(edge)
    assert bound.capabilities.identifiers == (("radius_username",),)
    bound.apply(edge, [change("anna@isp", "suspend")])
    assert all_of(bound, edge) == {"anna@isp": "suspend"}
    assert driver.bound_to(device(fake)).capabilities.identifiers == (("ipv4", "ipv6"),)


@pytest.mark.parametrize(
    ("address", "level", "words"),
    [
        ("0.0.0.0/0", "suspend", "wider than one customer's line"),
        ("100.64.0.0/23", "throttle", "wider than one customer's line"),
        ("::/0", "suspend", "wider than one customer's line"),
        ("anna", "open", "is no IP address"),
    ],
)
def test_what_can_be_no_line_is_never_sent(fake: WebhookFake, address: str, level: str, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        driver.apply(device(fake), [change(A, "throttle"), change(address, level)])
    assert fake.paths == []


@pytest.mark.parametrize("fault", ["slam", "drop_before", "drop_after", "hang_after", "cut", "drip"])
def test_a_change_without_an_answer_is_unknown_and_doing_it_again_is_harmless(fake: WebhookFake, fault: str) -> None:
    fake.fault = fault
    # A slam may be heard before anything was sent, and then nothing is in doubt.
    in_doubt = (OutcomeUnknown, Unavailable) if fault == "slam" else OutcomeUnknown
    with pytest.raises(in_doubt, match="olt"):
        driver.apply(device(fake, timeout_seconds=1), THREE)
    assert fake.held == {} if fault in ("slam", "drop_before") else len(fake.held) == 3
    fake.fault = ""
    driver.apply(device(fake), THREE)
    assert all_of(driver, device(fake)) == HELD


@pytest.mark.parametrize("fault", ["slam", "drop_after", "cut", "drip"])
def test_a_question_without_an_answer_may_be_asked_again(fake: WebhookFake, fault: str) -> None:
    fake.fault, fake.on = fault, ("read", "read_all", "probe")
    edge = device(fake, timeout_seconds=1)
    for call in (lambda: driver.read(edge, [A]), lambda: driver.read_all(edge), lambda: driver.probe(edge)):
        with pytest.raises(Unavailable):
            call()


def test_where_nobody_listens_nothing_has_happened_but_after_a_first_batch_that_is_unknown(fake: WebhookFake) -> None:
    nobody = device(fake, url=f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(Unavailable, match="olt refuses the connection"):
        driver.apply(nobody, THREE)

    def busy(reply: Reply) -> Reply:
        fake.answer = lambda answer: {"protocol": 1, "error": "busy"}
        return (reply[0] if len(fake.heard) == 1 else 503, *reply[1:])

    fake.spoil = busy
    with pytest.raises(OutcomeUnknown, match="come back later"):
        driver.apply(device(fake, batch=1), THREE)


def answers(fake: WebhookFake, status: int, words: str, *, sign: bool) -> None:
    """Let the program answer every call with a status and words."""
    fake.answer = lambda answer: {"protocol": 1, "error": words}
    fake.spoil = lambda reply: (status, reply[1] if sign else {}, reply[2])


@pytest.mark.parametrize(
    ("status", "sign", "apply_raises", "read_raises", "words"),
    [
        (422, True, Rejected, Rejected, "olt does not take this: no such line"),
        (404, False, Rejected, Rejected, "answered HTTP 404 and did not sign.*same secret.*no such line"),
        (429, True, Unavailable, Unavailable, "come back later .HTTP 429.. no such line"),
        (503, True, Unavailable, Unavailable, "come back later .HTTP 503.. no such line"),
        (503, False, OutcomeUnknown, Unavailable, "in trouble itself .HTTP 503"),
        (500, True, OutcomeUnknown, Unavailable, "in trouble itself .HTTP 500.. no such line"),
        (204, True, OutcomeUnknown, Unavailable, "HTTP 204"),
    ],
)
def test_each_status_means_one_thing(
    fake: WebhookFake, status: int, sign: bool, apply_raises: Any, read_raises: Any, words: str
) -> None:
    answers(fake, status, "no such line", sign=sign)
    with pytest.raises(apply_raises, match=words):
        driver.apply(device(fake), THREE)
    with pytest.raises(read_raises):
        driver.read_all(device(fake))


def test_a_redirect_is_never_followed(fake: WebhookFake) -> None:
    with running() as elsewhere:
        fake.spoil = lambda reply: (307, {**reply[1], "Location": elsewhere.url}, reply[2])
        for call in (lambda: driver.apply(device(fake), THREE), lambda: driver.read_all(device(fake))):
            with pytest.raises(Rejected, match=r"points elsewhere .HTTP 307., and that is not followed"):
                call()
        assert elsewhere.paths == []


def test_words_of_the_program_are_short_in_one_line_and_never_hold_the_secret(fake: WebhookFake) -> None:
    answers(fake, 422, f"Bad\x1b[31m\nline\u202e {SECRET} " + "x" * 5000, sign=True)
    with pytest.raises(Rejected) as refusal:
        driver.apply(device(fake), THREE)
    assert refusal.value.words.startswith("olt does not take this: Bad [31m line ***")
    assert len(refusal.value.words) < 300
    assert "Zürich" not in refusal.value.words
    fake.answer = lambda answer: {**answer, "notes": [f"My secret is {SECRET}"]}
    fake.spoil = lambda reply: reply
    assert driver.probe(device(fake)).notes == ["My secret is ***"]


def unsigned(reply: Reply) -> Reply:
    return (reply[0], {}, reply[2])


def changed_on_the_way(reply: Reply) -> Reply:
    return (reply[0], reply[1], reply[2].replace(b"100.64.0.1", b"100.64.0.9") + b" ")


def strange_signature(reply: Reply) -> Reply:
    return (reply[0], {**reply[1], "Billing-Signature": "v1=ÿþ"}, reply[2])


@pytest.mark.parametrize("spoil", [unsigned, changed_on_the_way, strange_signature])
def test_an_answer_that_is_not_signed_by_the_secret_is_not_believed(
    fake: WebhookFake, spoil: Callable[[Reply], Reply]
) -> None:
    driver.apply(device(fake), THREE)
    fake.spoil = spoil
    for call in (lambda: driver.read(device(fake), [A]), lambda: driver.read_all(device(fake))):
        with pytest.raises(Rejected, match=r"olt (did not sign|signed its answer with another).*is not believed"):
            call()
    with pytest.raises(OutcomeUnknown, match="is not believed"):
        driver.apply(device(fake), THREE)


def test_a_program_with_another_secret_is_refused_in_words_and_does_nothing(fake: WebhookFake) -> None:
    fake.secret = "somebody else's secret"
    with pytest.raises(Rejected, match=r"olt answered HTTP 401 and signed.*same secret.*I do not know you"):
        driver.apply(device(fake), THREE)
    assert (fake.heard, len(fake.refused)) == ([], 1)


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-299, True), (299, True), (302, False)])
def test_a_stale_answer_is_not_believed(fake: WebhookFake, seconds: int, good: bool) -> None:
    here = fake.now
    fake.spoil = lambda reply: reply

    def dated(reply: Reply) -> Reply:
        stamp = str(int(here()) + seconds)
        return (
            200,
            {"Billing-Timestamp": stamp, "Billing-Signature": fake.signature(stamp, ids[-1], reply[2])},
            reply[2],
        )

    ids: list[str] = []
    real = fake.take

    def take(headers: Any, body: bytes) -> Reply:
        ids.append(headers["Billing-Request-Id"])
        return real(headers, body)

    fake.take = take  # type: ignore[method-assign]
    fake.spoil = dated
    if good:
        assert all_of(driver, device(fake)) == {}
    else:
        with pytest.raises(Rejected, match="more than 5 minutes away from our time; set the clocks right"):
            driver.read_all(device(fake))


def test_an_answer_to_another_call_or_our_own_call_sent_back_is_not_believed(fake: WebhookFake) -> None:
    kept: list[Reply] = []

    def keep(reply: Reply) -> Reply:
        kept.append(reply)
        return reply

    fake.spoil = keep
    driver.read_all(device(fake))
    driver.apply(device(fake), THREE)
    fake.spoil = lambda reply: kept[0]
    with pytest.raises(Rejected, match="is not believed"):
        driver.read_all(device(fake))
    own: list[Reply] = []
    real = fake.take

    def echo(headers: Any, body: bytes) -> Reply:
        real(headers, body)
        own.append((200, {name: headers[name] for name in ("Billing-Timestamp", "Billing-Signature")}, body))
        return own[-1]

    fake.take = echo  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown, match="is not believed"):
        driver.apply(device(fake), THREE)


def row(address: Any = A, level: Any = "suspend", **more: Any) -> dict[str, Any]:
    return {"address": address, "level": level, **more}


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"entries": None}, {"entries": {}}, {"entries": [1]}, {"entries": [{}]}, {"entries": [row(level="gone")]},
        {"entries": [row(level=["suspend"])]}, {"entries": [row(7)]}, {"entries": [row("")]},
        {"entries": [row("x" * 65)]},
        {"entries": [row("100.64.0.1\n")]}, {"entries": [row(), row()]}, {"entries": [row(list=5)]},
        {"entries": [row(list="x" * 61)]}, {"entries": [row("100.64.0.77")]}, {"protocol": 2, "entries": []},
        {"protocol": True, "entries": []},
    ],
)  # fmt: skip
def test_an_answer_of_the_wrong_kind_is_refused_whole(fake: WebhookFake, answer: dict[str, Any]) -> None:
    fake.answer = lambda _: {"protocol": 1, **answer}
    with pytest.raises(Unavailable, match=r"^olt .*; the answer is not believed\.$"):
        driver.read(device(fake), [A])


@pytest.mark.parametrize(
    "answer",
    [
        {"entries": [row(level="open")]}, {"entries": [row(ours="yes")]}, {"entries": [], "next": 5},
        {"entries": [], "next": "x" * 401}, {"entries": [row()], "next": "same page for ever"},
    ],
)  # fmt: skip
def test_a_list_of_everything_that_cannot_be_is_refused_whole(fake: WebhookFake, answer: dict[str, Any]) -> None:
    fake.read_all = lambda asked: answer  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        driver.read_all(device(fake))


def test_pages_that_never_end_come_to_an_end(fake: WebhookFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netenforce.drivers.webhook.PAGES_MAX", 5)
    assert PAGES_MAX == 1000
    fake.read_all = lambda asked: {"entries": [], "next": str(len(fake.heard))}  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="did not come to an end"):
        driver.read_all(device(fake))
    assert len(fake.heard) == 5


@pytest.mark.parametrize(
    "answer",
    [{}, {"done": 1}, {"done": "true"}, {"done": True, "remarks": []}, {"done": True, "remarks": {A: 1}},
     {"done": True, "remarks": {"100.64.0.77": "hello"}}],
)  # fmt: skip
def test_a_change_that_is_not_said_to_be_done_is_unknown(fake: WebhookFake, answer: dict[str, Any]) -> None:
    fake.answer = lambda _: {"protocol": 1, **answer}
    with pytest.raises(OutcomeUnknown, match="is not believed"):
        driver.apply(device(fake), THREE)


def test_a_remark_is_handed_on(fake: WebhookFake) -> None:
    fake.answer = lambda answer: {**answer, "remarks": {A: "Takes effect\nat the next log-in."}}
    assert driver.apply(device(fake), THREE) == {A: "Takes effect at the next log-in."}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{" * 100_000, b"[" * 100_000, b'{"protocol": 1' + b"0" * 5000 + b"}", b"\xff\xfe", b"NaN"]
)
def test_bytes_that_are_no_answer_are_refused_though_they_are_signed(fake: WebhookFake, body: bytes) -> None:
    ids: list[str] = []
    real = fake.take

    def take(headers: Any, given: bytes) -> Reply:
        real(headers, given)
        stamp = headers["Billing-Timestamp"]
        sign = fake.signature(stamp, headers["Billing-Request-Id"], body)
        ids.append(stamp)
        return 200, {"Billing-Timestamp": stamp, "Billing-Signature": sign}, body

    fake.take = take  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="is not believed"):
        driver.read_all(device(fake))
    assert ids


def test_an_answer_without_end_is_not_read_to_its_end(fake: WebhookFake) -> None:
    fake.spoil = lambda reply: (200, reply[1], b"x" * (calls.ANSWER_BYTES_MAX + 2))
    with pytest.raises(Unavailable, match="more than 2048 KiB"):
        driver.read_all(device(fake))


def test_a_device_without_a_long_secret_or_with_wrong_options_is_refused_before_anything_is_sent(
    fake: WebhookFake,
) -> None:
    edge = device(fake)
    edge.secret = "short"
    with pytest.raises(Rejected, match="no secret of at least 16 signs"):
        driver.probe(edge)
    with pytest.raises(Rejected, match="olt: options: 'batch' is 0"):
        driver.probe(device(fake, batch=0))
    assert driver.bound_to(device(fake, identifier="mac")) is driver
    assert fake.paths == []
