"""One attempt to hand a message to a receiver."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from serving.webhook import post
from tests.fakes.webhooks import receiving

BODY = b'{"type":"x"}'


def test_a_message_arrives_as_it_is() -> None:
    with receiving() as receiver:
        answer = post(f"{receiver.url}?team=ml", BODY, {"webhook-id": "msg_1"})
    [told] = receiver.told
    assert answer.is_taken
    assert answer.status == 204
    assert (told.path, told.body, told.id) == ("/hook?team=ml", BODY, "msg_1")
    assert told.headers["content-type"] == "application/json"
    assert told.headers["user-agent"] == "fallgate"


def test_the_receiver_sees_its_own_name_although_the_address_was_looked_up_before() -> None:
    with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        post(f"http://localhost:{port}/hook", BODY, {}, resolver=lambda host, at: ["127.0.0.1"])
    assert receiver.told[0].headers["host"] == f"localhost:{port}"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "the receiver answers 500"),
        (404, "the receiver answers 404"),
        (302, "the receiver answers 302, and redirects are not followed"),
    ],
)
def test_what_is_not_taken_says_why(status: int, said: str) -> None:
    with receiving(status) as receiver:
        answer = post(receiver.url, BODY, {})
    assert (answer.is_taken, answer.status, answer.error) == (False, status, said)
    assert len(receiver.told) == 1


def test_an_address_that_does_not_answer_leaves_the_next_one_its_turn() -> None:
    with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answer = post(f"http://localhost:{port}/", BODY, {}, resolver=lambda host, at: ["127.0.0.9", "127.0.0.1"])
    assert answer.is_taken
    assert len(receiver.told) == 1


def test_what_was_sent_once_is_not_sent_to_another_address() -> None:
    with receiving(500) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answer = post(f"http://localhost:{port}/", BODY, {}, resolver=lambda host, at: ["127.0.0.1", "::1"])
    assert answer.status == 500
    assert len(receiver.told) == 1


def test_gone_means_never_again() -> None:
    with receiving(410, 500) as receiver:
        assert post(receiver.url, BODY, {}).is_unwanted
        assert not post(receiver.url, BODY, {}).is_unwanted


def test_a_receiver_that_is_not_there_is_a_sentence() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        answer = post(f"http://127.0.0.1:{taken.getsockname()[1]}/", BODY, {})
    assert answer.status is None
    assert answer.error is not None
    assert answer.error.startswith("127.0.0.1 cannot be reached: ")


def test_a_name_that_cannot_be_resolved_is_a_sentence() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    answer = post("https://hooks.example.com/", BODY, {}, resolver=nowhere)
    assert answer.error == "the name hooks.example.com cannot be resolved: Name or service not known"


def test_a_name_that_leads_to_a_machines_own_services_is_not_asked() -> None:
    with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answer = post(f"https://hooks.example.com:{port}/", BODY, {}, resolver=lambda host, at: ["127.0.0.1"])
    assert answer.error == "hooks.example.com has no address that a receiver may have"
    assert receiver.told == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the name localhost, not of its address; trusted, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = (
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(path),
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    )
    command = ["openssl", "req", "-x509", *made, "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    path.write_text(path.read_text() + key.read_text())
    return path


def test_a_certificate_is_checked_against_the_name_although_the_address_is_asked(certificate: Path) -> None:
    with receiving(certificate=certificate) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        told = post(f"https://localhost:{port}/", BODY, {}, resolver=lambda host, at: ["127.0.0.1"])
        other = post(f"https://127.0.0.1:{port}/", BODY, {})
    assert told.is_taken
    assert other.error is not None
    assert "CERTIFICATE_VERIFY_FAILED" in other.error
    assert len(receiver.told) == 1


def test_an_answer_that_is_no_http_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def babble() -> None:
            connection, _ = server.accept()
            connection.sendall(b"hello there\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=babble)
        thread.start()
        answer = post(f"http://127.0.0.1:{server.getsockname()[1]}/", BODY, {})
        thread.join()
    assert not answer.is_taken
