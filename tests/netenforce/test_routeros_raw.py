"""The simulated device by a client that shares nothing with the driver: bare words on a socket.

So that the simulator is not tuned to one library: no tags, one command at a time, lengths written by hand.
"""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.peers.routeros_fake import RouterFake, running
from tests.peers.routeros_fake_books import V4

LONG = "x" * 20_000  # a length of three bytes


class RawClient:
    """Send a sentence, read sentences until the last one of the answer."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.file = self.sock.makefile("rwb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __call__(self, *words: str) -> list[list[str]]:
        for text in (*words, ""):
            data = text.encode("utf-8")
            size = len(data)
            if size < 0x80:
                head = bytes([size])
            elif size < 0x4000:
                head = bytes([0x80 | size >> 8, size & 255])
            else:
                head = bytes([0xC0 | size >> 16, size >> 8 & 255, size & 255])
            self.file.write(head + data)
        self.file.flush()
        answer = [self._sentence()]
        while answer[-1] and answer[-1][0] not in ("!done", "!fatal"):
            answer.append(self._sentence())
        return answer

    def _sentence(self) -> list[str]:
        words = []
        while (size := self._length()) > 0:
            words.append(self.file.read(size).decode("utf-8"))
        return words

    def _length(self) -> int:
        first = self.file.read(1)
        if not first or first[0] < 0x80:
            return first[0] if first else -1
        if first[0] < 0xC0:
            return (first[0] & 0x3F) << 8 | self.file.read(1)[0]
        high, low = self.file.read(2)
        return (first[0] & 0x1F) << 16 | high << 8 | low


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[RouterFake]:
    with running(tmp_path / "log") as found:
        yield found


@pytest.fixture
def say(fake: RouterFake) -> Iterator[RawClient]:
    with closing(RawClient(fake.port)) as client:
        assert client("/login", "=name=billing", "=password=s3cret-Zürich") == [["!done"]]
        yield client


def test_who_has_not_logged_in_is_sent_away(fake: RouterFake) -> None:
    with closing(RawClient(fake.port)) as stranger:
        assert stranger(f"{V4}/print") == [["!fatal", "not logged in"]]
    with closing(RawClient(fake.port)) as stranger:
        refusal = stranger("/login", "=name=billing", "=password=no")
        assert refusal == [["!trap", "=message=invalid user name or password (6)"], ["!done"]]


def test_entries_are_added_printed_changed_and_removed(say: RawClient) -> None:
    assert say(f"{V4}/print") == [["!empty"], ["!done"]]
    [[done, made]] = say(f"{V4}/add", "=list=Slow", "=address=100.64.0.1/32", "=comment=Zürich " + LONG)
    assert done == "!done"
    key = made.removeprefix("=ret=")
    again = say(f"{V4}/add", "=list=Slow", "=address=100.64.0.1")
    assert again == [["!trap", "=message=failure: already have such entry"], ["!done"]]
    assert say(f"{V4}/set", f"=.id={key}", "=list=Off", "=disabled=yes") == [["!done"]]
    assert say(f"{V4}/print", "=.proplist=.id,list,address,disabled,comment") == [
        ["!re", f"=.id={key}", "=list=Off", "=address=100.64.0.1", "=disabled=true", "=comment=Zürich " + LONG],
        ["!done"],
    ]
    assert say(f"{V4}/remove", f"=.id={key}") == [["!done"]]
    assert say(f"{V4}/remove", f"=.id={key}") == [["!trap", "=message=no such item"], ["!done"]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["?list=A"], "12"),
        (["?list=A", "?comment"], "1"),
        (["?>comment="], "1"),
        (["?-comment"], "23"),
        (["?address=10.0.0.1", "?address=10.0.0.3", "?#|"], "13"),
        (["?list=A", "?#!"], "3"),
        (["?address=10.0.0.1", "?address=10.0.0.2", "?address=10.0.0.3", "?#||"], "123"),
        (["?list=B", "?comment", "?#&"], ""),
    ],
)
def test_a_print_is_filtered_by_its_query_words(fake: RouterFake, say: RawClient, words: list[str], found: str) -> None:
    fake.router.put(V4, list="A", address="10.0.0.1", comment="c")
    fake.router.put(V4, list="A", address="10.0.0.2")
    fake.router.put(V4, list="B", address="10.0.0.3")
    rows = say(f"{V4}/print", "=.proplist=address", *words)
    assert "".join(row[1][-1] for row in rows if row[0] == "!re") == found


def test_an_answer_carries_the_tag_of_its_question(say: RawClient) -> None:
    assert say("/system/nonsense/print", ".tag=7") == [
        ["!trap", "=message=no such command prefix", ".tag=7"], ["!done", ".tag=7"],
    ]  # fmt: skip


def test_an_entry_with_a_timeout_is_dynamic_and_a_reboot_loses_it(fake: RouterFake, say: RawClient) -> None:
    say(f"{V4}/add", "=list=Slow", "=address=100.64.0.1", "=timeout=1h")
    say(f"{V4}/add", "=list=Slow", "=address=100.64.0.2")
    fake.reboot()
    assert say(f"{V4}/print") == [[]]  # the connection is gone with it
    assert list(fake.router.entries()) == ["100.64.0.2"]


def test_what_is_half_sent_is_told_by_the_end_of_the_stream(fake: RouterFake, say: RawClient) -> None:
    fake.inject("cut_reply")
    answer = say(f"{V4}/add", "=list=Slow", "=address=100.64.0.1")
    assert answer[-1] != ["!done"]
    assert fake.writes() == ["add"]
