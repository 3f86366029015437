"""A webhook's receiver on a real socket, which checks signatures as receivers' libraries do."""

import base64
import hmac
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET = "whsec_" + base64.b64encode(b"planted-key-of-24-bytes!").decode()
TOLERANCE_S = 300


@dataclass(frozen=True, slots=True)
class Told:
    """One message that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_genuine(self, at_s: float, secret: str = SECRET) -> bool:
        """Whether the signature is right and the time of the attempt is near, made anew as the specification says."""
        sent_s = self.headers["webhook-timestamp"]
        content = b".".join([self.id.encode(), sent_s.encode(), self.body])
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
        given = [part.partition(",") for part in self.headers["webhook-signature"].split(" ")]
        is_signed = any(version == "v1" and hmac.compare_digest(text, wanted) for version, _, text in given)
        return is_signed and abs(at_s - int(sent_s)) <= TOLERANCE_S


@dataclass(slots=True)
class Receiver:
    """Answers with the statuses that it is given, then with 204."""

    url: str
    statuses: list[int] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


@contextmanager
def receiving(*statuses: int, certificate: Path | None = None) -> Iterator[Receiver]:
    """A receiver on a free port of this machine, over TLS where it has a certificate (with its key)."""
    found = Receiver("", list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.told.append(Told(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = found.statuses.pop(0) if found.statuses else 204
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
