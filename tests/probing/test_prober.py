import ipaddress
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers import HOME, OK, heard, says, serving

from pipeline.model.gates import Answers
from pipeline.probing import HttpProber
from pipeline.probing.web import Line


def asked(port: int, *, requests: int = 4, status: int = 200, scheme: str = "http") -> Answers:
    """Probe a server on the loopback."""
    return HttpProber().ask(f"{scheme}://{HOME}:{port}/health?deep=1", status=status, requests=requests)


def test_requests_share_a_connection_that_the_server_keeps() -> None:
    """Four requests go over one connection, each with path and query, and each answer has its latency."""
    seen: list[bytes] = []
    lines: list[int] = []

    def talk(line: socket.socket) -> None:
        lines.append(line.fileno())
        says(*[OK] * 9, seen=seen)(line)

    with serving(talk) as port:
        answers = asked(port)
    assert (answers.requests, answers.failed, answers.fault) == (4, 0, "")
    assert len(answers.latencies) == 4
    assert all(timedelta() < latency < timedelta(seconds=5) for latency in answers.latencies)
    assert (len(lines), len(seen)) == (1, 4)
    assert seen[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [OK, OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), b"HTTP/1.0 200 OK\r\n\r\nwhole"],
    ids=["silently", "announced", "HTTP/1.0"],
)
def test_a_server_that_hangs_up_after_each_answer_has_not_failed(answer: bytes) -> None:
    """To connect anew is no failure, whether or not the server said that it would hang up."""
    with serving(says(answer)) as port:
        assert asked(port).failed == 0


def test_a_service_that_dies_of_requests_has_failed() -> None:
    """Hanging up is forgiven once: a service that dies of every second request is not taken for one that hangs up."""
    deaths: list[bool] = []

    def talk(line: socket.socket) -> None:
        while heard(line):
            deaths.append(len(deaths) % 2 == 1)
            if deaths[-1]:
                return
            line.sendall(OK)

    with serving(talk) as port:
        answers = asked(port, requests=20)
    assert sum(deaths) - 1 == answers.failed > 5
    assert "closed connection without response" in answers.fault


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "answered 503, not 200"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://login.example.com/\r\nContent-Length: 0\r\n\r\n",
            "answered 302, not 200 (to https://login.example.com/)",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "95 more expected"),
        (b"not HTTP\r\n\r\n", "(not HTTP"),
        (b"", "closed connection without response"),
    ],
    ids=["status", "redirect", "half", "gibberish", "nothing"],
)
def test_what_is_no_good_answer_has_failed(answer: bytes, said: str) -> None:
    """Another status, a redirect, half an answer, gibberish and silence are failures, told by the first of them."""
    with serving(says(answer)) as port:
        answers = asked(port, requests=3)
    assert (answers.failed, answers.latencies) == (3, ())
    assert said in answers.fault


def test_another_status_can_be_the_expected_one() -> None:
    """The status that is asked for passes, and 200 does not then."""
    with serving(says(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n", OK)) as port:
        answers = asked(port, requests=2, status=401)
    assert (answers.failed, len(answers.latencies), answers.fault) == (1, 1, "answered 200, not 401")


def test_a_long_answer_is_read_to_its_end() -> None:
    """A long body is read and leaves the connection fit for the next request."""
    long = OK.replace(b": 2", b": 200000").replace(b"ok", b"x" * 200_000)
    with serving(says(long, long, OK)) as port:
        assert asked(port, requests=3).failed == 0


def test_nobody_listens() -> None:
    """A refused connection is a failure that names the place."""
    with socket.create_server((HOME, 0)) as server:
        port = server.getsockname()[1]
    answers = asked(port, requests=2)
    assert answers.failed == 2
    assert answers.fault.startswith(f"no answer from {HOME}:{port} (")
    assert "refused" in answers.fault


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_an_answer_that_drips_is_cut_off(head: bytes) -> None:
    """The time is for the whole answer: a byte now and then does not buy more."""

    def talk(line: socket.socket) -> None:
        heard(line)
        line.sendall(head)
        while True:
            line.sendall(b"H")
            time.sleep(0.02)

    with serving(talk) as port:
        began = time.monotonic()
        line = Line(f"http://{HOME}:{port}", seconds=0.3)
        assert line.get(status=200) == f"no answer from {HOME}:{port} (not within 0 s)"
        assert time.monotonic() - began < 2


def certificate(path: Path) -> Path:
    """Make a certificate for the loopback, its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOME))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https, an answer counts only from a server whose certificate is trusted."""
    pem = certificate(tmp_path / "server.pem")
    with serving(says(OK, OK, OK), certificate=pem) as port:
        assert "certificate verify failed" in asked(port, scheme="https", requests=1).fault
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert asked(port, scheme="https").fault == ""
