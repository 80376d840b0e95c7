"""What every stand-in over HTTP needs: answers in JSON, connections that break on purpose, and silence."""

import socket
import struct
from http.server import BaseHTTPRequestHandler


class PeerHandler(BaseHTTPRequestHandler):
    """Answer a request, or break off; who asked may have gone by then."""

    protocol_version = "HTTP/1.1"

    def send_content(self, status: int, content: bytes, **headers: str) -> None:
        """Send an answer whole."""
        try:
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def reset(self) -> None:
        """Break the connection off, so that the other side sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):  # a connection that was reset here
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""
