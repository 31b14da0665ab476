"""TLS from the gate to backends: verified unless it is said in so many words that it is not, the reasons when it
fails, the gate's own certificate, and the version that ALPN agrees on."""

import ssl

import pytest

import wire
from backend import Backend
from gate import wait_until
from h2_backend import H2Backend, server_tls
from pki import Authority
from tls_wire import OPEN


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody was told to believe."""
    return Authority(tmp_path_factory.mktemp("stranger"), common_name="Stranger CA")


@pytest.fixture
def make_tls_backend():
    started = []

    def make(certificate, script=None, **options):
        started.append(H2Backend(script, tls=server_tls(certificate, **options)))
        return started[-1]
    yield make
    for backend in started:
        backend.stop()


@pytest.fixture
def before(make_gate, authority):
    """before(backend, tls=..., more=...): a gate that calls it by https://, believing `authority`."""
    def make(backend, tls="", more="", host="127.0.0.1", ca=True):
        trusted = f"ca: \"{authority.certificate}\"" if ca else ""
        inside = ", ".join(part for part in (trusted, tls) if part)
        text = OPEN + f"forward: {{ to: \"https://{host}:{backend.port}\", tls: {{ {inside} }} {more} }}\n"
        return make_gate({"services/s.yaml": text}, [backend])
    return make


def refused(gate, backend, *reasons):
    answer = gate.get("/secret")
    assert answer.status in (502, 503, 504) and answer.reason in reasons, answer
    assert not backend.requests
    record = gate.record(answer)
    assert record["reason"] == answer.reason and record["verdict"] == "allow"
    assert record["attempts"][-1]["outcome"] == answer.reason
    return record


def test_verified(before, make_tls_backend, server_certificate):
    backend = make_tls_backend(server_certificate)
    gate = before(backend)
    for _ in range(5):
        assert gate.get("/x").json()["target"] == "/x"
    assert {made["version"] for made in backend.handshakes} == {"TLSv1.3"}
    assert len(backend.handshakes) <= 2  # the connections are kept


def test_another_authority_is_refused(before, make_tls_backend, stranger):
    backend = make_tls_backend(stranger.issue("server", ["127.0.0.1", "localhost"]))
    record = refused(before(backend), backend, "tls_certificate_error")
    assert record["detail"]
    wait_until(lambda: backend.refusals, "the backend to be told")


def test_system_authorities_without_a_bundle(before, make_tls_backend, server_certificate):
    backend = make_tls_backend(server_certificate)
    refused(before(backend, ca=False), backend, "tls_certificate_error")


@pytest.mark.parametrize("names", [["other.test"], ["127.0.0.2"], ["*.0.0.1"]])
def test_another_name_is_refused(before, make_tls_backend, authority, names):
    backend = make_tls_backend(authority.issue("misnamed", names))
    refused(before(backend), backend, "tls_certificate_error")


@pytest.mark.parametrize("days", [(-1, -10), (30, 5)], ids=["expired", "not yet valid"])
def test_certificate_out_of_its_time_is_refused(before, make_tls_backend, authority, days):
    until, since = days
    backend = make_tls_backend(authority.issue("untimely", ["127.0.0.1"], days=until, from_days=since))
    refused(before(backend), backend, "tls_certificate_error")


def test_certificate_of_a_client_is_refused(before, make_tls_backend, authority):
    backend = make_tls_backend(authority.issue("client", ["127.0.0.1"], client=True))
    refused(before(backend), backend, "tls_certificate_error")


def test_self_signed_is_refused(before, make_tls_backend, tmp_path):
    backend = make_tls_backend(Authority(tmp_path, "self", "127.0.0.1"))
    refused(before(backend), backend, "tls_certificate_error")


def test_insecure_by_the_word(before, make_tls_backend, stranger):
    backend = make_tls_backend(stranger.issue("server", ["other.test"]))
    assert before(backend, "verify: insecure", ca=False).get("/x").status == 200


def test_name_override(before, make_tls_backend, authority):
    backend = make_tls_backend(authority.issue("orders", ["orders.internal"]))
    assert before(backend, "name: orders.internal").get("/x").status == 200
    assert backend.handshakes[0]["name"] == "orders.internal"
    refused_by = make_tls_backend(authority.issue("billing", ["billing.internal"]))
    refused(before(refused_by, "name: orders.internal"), refused_by, "tls_certificate_error")


def test_name_of_the_address(before, make_tls_backend, server_certificate):
    backend = make_tls_backend(server_certificate)
    assert before(backend, host="localhost").get("/x").status == 200
    assert backend.handshakes[0]["name"] == "localhost"


def test_own_certificate(before, make_tls_backend, authority, server_certificate):
    own = authority.issue("gate", ["gate.internal"], client=True)
    shown = f'certificate: "{own.certificate}", key: "{own.key}"'
    backend = make_tls_backend(server_certificate, client_ca=authority.certificate)
    assert before(backend, shown).get("/x").status == 200
    assert backend.handshakes[0]["certificate"] == own.der()
    # Without one, the backend refuses: at once in TLS 1.2, behind the handshake in 1.3.
    demanding = make_tls_backend(server_certificate, client_ca=authority.certificate)
    refused(before(demanding), demanding, "tls_alert_received", "connection_terminated")


class ClearBackend(Backend):
    """Answers a handshake as a server in clear text does."""

    def _serve(self, connection):
        connection.more()
        connection.socket.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()


def test_backend_that_speaks_no_tls(before):
    backend = ClearBackend()
    refused(before(backend), backend, "tls_protocol_error")
    backend.stop()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_version_is_refused(before, make_tls_backend, server_certificate):
    backend = make_tls_backend(server_certificate)
    backend.tls.set_ciphers("ALL:@SECLEVEL=0")
    backend.tls.minimum_version, backend.tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    refused(before(backend), backend, "tls_protocol_error", "tls_alert_received")


# What the service says, what the backend offers by ALPN, and what is spoken; None: the request fails.
ALPN = [("auto", ["h2", "http/1.1"], "HTTP/2"), ("auto", ["http/1.1"], "HTTP/1.1"), ("auto", [], "HTTP/1.1"),
        ("http1", ["h2", "http/1.1"], "HTTP/1.1"), ("http2", ["h2", "http/1.1"], "HTTP/2"),
        ("http2", ["http/1.1"], None)]


@pytest.mark.parametrize("protocol, offered, spoken", ALPN)
def test_version_by_alpn(before, make_tls_backend, server_certificate, protocol, offered, spoken):
    backend = make_tls_backend(server_certificate, alpn=offered)
    gate = before(backend, more=f", protocol: {protocol}")
    answer = gate.get("/x")
    if spoken:
        assert answer.status == 200 and backend.requests[0].version == spoken
    else:
        assert answer.status == 502 and not backend.requests, answer


def test_large_bodies(before, make_tls_backend, server_certificate):
    body = bytes(range(256)) * 40000

    def script(call):
        call.read_body()
        call.respond(200, [("X-Length", call.request.body_length)], body)
    backend = make_tls_backend(server_certificate, script)
    answer = wire.fetch(before(backend).port, "POST", "/", (), body)
    assert answer.body == body and answer.header("x-length") == str(len(body))


def test_new_bundle_is_used(make_gate, make_tls_backend, authority, stranger):
    """The bundle's file is watched: what it vouches for from now on is believed."""
    backend = make_tls_backend(stranger.issue("server", ["127.0.0.1"]))
    text = OPEN + f"forward: {{ to: \"https://{backend.address}\", tls: {{ ca: ca.pem }} }}\n"
    gate = make_gate({"services/s.yaml": text, "ca.pem": authority.certificate.read_text()}, [backend])
    assert gate.get("/x").reason == "tls_certificate_error"
    gate.write("ca.pem", stranger.certificate.read_text())
    wait_until(lambda: gate.get("/x").status == 200, "the new bundle to be used")
