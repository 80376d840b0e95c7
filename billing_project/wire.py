"""Ask the embedded servers whether they are there, in their own protocols; standard library only."""

import socket
import struct
from pathlib import Path

DUPLICATE_DATABASE = "42P04"
_PROTOCOL = 196608  # version 3.0
_SECONDS = 10.0


class NotAnswering(Exception):
    """Nobody answers on the socket, or not yet."""


class ServerError(Exception):
    """PostgreSQL answered with an error."""

    def __init__(self, words: str, sqlstate: str) -> None:
        super().__init__(words)
        self.sqlstate = sqlstate


def query(path: Path, sql: str, *, user: str = "app", database: str = "postgres") -> None:
    """Run one statement as a trusted local user and forget its rows.

    Raises NotAnswering if the server is not up (or still starting or stopping)
    and ServerError if it refuses the statement.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(str(path))
            words = f"user\0{user}\0database\0{database}\0\0".encode()
            connection.sendall(struct.pack("!ii", len(words) + 8, _PROTOCOL) + words)
            try:
                _read_until_ready(connection)
            except ServerError as error:  # "the database system is starting up" and the like
                raise NotAnswering(str(error)) from error
            statement = sql.encode() + b"\0"
            connection.sendall(b"Q" + struct.pack("!i", len(statement) + 4) + statement)
            _read_until_ready(connection)
    except OSError as error:
        raise NotAnswering(str(error)) from error


def ping_valkey(path: Path) -> bool:
    """Tell whether Valkey answers PING with PONG."""
    try:
        return _ask_valkey(path, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def shut_valkey_down(path: Path) -> None:
    """Ask Valkey to write everything down and end; a closed connection is its yes."""
    try:
        _ask_valkey(path, b"SHUTDOWN\r\n")
    except OSError:
        return


def _ask_valkey(path: Path, words: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
        connection.sendall(words)
        return connection.recv(1024)


def _read_until_ready(connection: socket.socket) -> None:
    trouble: ServerError | None = None
    while True:
        kind, length = struct.unpack("!ci", _read(connection, 5))
        body = _read(connection, length - 4)
        if kind == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            trouble = ServerError(fields.get(b"M", "unknown error"), fields.get(b"C", ""))
            if fields.get(b"S") in ("FATAL", "PANIC"):
                raise trouble
        elif kind == b"R" and struct.unpack("!i", body[:4])[0] != 0:
            raise ServerError("it asks for a password", "28000")
        elif kind == b"Z":
            if trouble:
                raise trouble
            return


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        data += piece
    return data
