"""TLS at the listener: which certificate for which name, versions, ALPN, resumption, certificates changed under
load, what testssl.sh finds, and what is said to those who do not speak it."""

import calendar
import json
import ssl
import subprocess
import threading

import pytest

import h2wire
import wire
from gate import PATIENCE, wait_until
from h2wire import client_tls
from pki import Authority
from tls_wire import OPEN, Handshake, in_folder, listen, pair, refusal, say_in_clear

NAMES = {
    "first": ["first.test"],
    "second": ["second.test", "also.second.test"],
    "wild": ["*.wild.test"],
    "exact": ["exact.wild.test"],
}
# The name that is asked for, and the certificate that answers.
CHOSEN = {
    "first.test": "first", "second.test": "second", "also.second.test": "second", "SECOND.Test": "second",
    "a.wild.test": "wild", "exact.wild.test": "exact", "a.b.wild.test": "first", "wild.test": "first",
    "unknown.test": "first", None: "first",
}


@pytest.fixture(scope="module")
def issued(authority):
    return {name: authority.issue(name, names) for name, names in NAMES.items()}


@pytest.fixture
def tls_gate(make_gate, backend):
    """tls_gate(*lines under tls, more=..., **certificates): a gate open to anyone before `backend`."""
    def make(*lines, more="", **certificates):
        return make_gate({"gatehouse.yaml": listen(*lines, more=more), "services/s.yaml": OPEN,
                          **in_folder(**certificates)}, [backend], local={"s": f'"{backend.address}"'})
    return make


@pytest.fixture
def plain(tls_gate, server_certificate):
    return tls_gate("certificate: certs/a.pem", "key: certs/a.key", a=server_certificate)


@pytest.fixture
def ca(authority):
    return str(authority.certificate)


def unverified(**versions):
    return client_tls(alpn=None, **versions)


# --- Which certificate -----------------------------------------------------------------------------------------


def certificates(names):
    return ["certificates:", *[f"  - {pair(name)}" for name in names]]


def test_certificate_by_name(tls_gate, issued):
    gate = tls_gate(*certificates(NAMES), **issued)
    for asked, expected in CHOSEN.items():
        with Handshake(gate.port, asked) as made:
            assert made.certificate == issued[expected].der(), asked
            assert made.get(host=asked or "first.test").status in (200, 421)


def test_unknown_names_refused(tls_gate, issued):
    gate = tls_gate(*certificates(NAMES), "unknown_names: refuse", **issued)
    for asked, expected in CHOSEN.items():
        is_known = asked is not None and expected != "first" or asked == "first.test"
        if is_known:
            with Handshake(gate.port, asked) as made:
                assert made.certificate == issued[expected].der()
        else:
            assert "UNRECOGNIZED_NAME" in refusal(gate.port, name=asked).upper().replace(" ", "_"), asked


def test_chain_is_sent_and_verifies(tls_gate, authority):
    between = Authority(authority.folder, "between", "Test Intermediate", above=authority)
    signed = between.issue("chained", ["gate.test"])
    gate = tls_gate("certificate: certs/a.pem", "key: certs/a.key", a=signed)
    with Handshake(gate.port, ca=str(authority.certificate)) as made:
        assert made.get().status == 200


def test_two_kinds_of_key_for_one_name(tls_gate, authority):
    keys = {"ec": authority.issue("two-ec", ["gate.test"]),
            "rsa": authority.issue("two-rsa", ["gate.test"], kind="rsa")}
    gate = tls_gate(*certificates(["ec", "rsa"]), **keys)
    for cipher, expected in [("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"), ("ECDHE-RSA-AES128-GCM-SHA256", "rsa")]:
        context = unverified(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(cipher)
        with Handshake(gate.port, context=context) as made:
            assert made.certificate == keys[expected].der()


# --- Versions and ALPN -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("least, good, bad", [("1.2", ["TLSv1.2", "TLSv1.3"], ["TLSv1.1"]),
                                              ("1.3", ["TLSv1.3"], ["TLSv1.2"])])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_versions(tls_gate, server_certificate, least, good, bad):
    gate = tls_gate("certificate: certs/a.pem", "key: certs/a.key", f'min_version: "{least}"', a=server_certificate)
    for version in [*good, *bad]:
        number = ssl.TLSVersion[version.replace(".", "_")]
        context = unverified(minimum_version=number, maximum_version=number)
        context.set_ciphers("ALL:@SECLEVEL=0")
        if version in good:
            with Handshake(gate.port, context=context) as made:
                assert made.version == version and made.get().status == 200
        else:
            assert "version" in refusal(gate.port, context=context).lower()


@pytest.mark.parametrize("protocols, offered, agreed", [
    (None, ["h2", "http/1.1"], "h2"), (None, ["http/1.1", "h2"], "h2"), (None, ["http/1.1"], "http/1.1"),
    (None, [], None), ("[http1]", ["h2", "http/1.1"], "http/1.1"), ("[http2]", ["h2", "http/1.1"], "h2")])
def test_alpn(tls_gate, server_certificate, protocols, offered, agreed):
    gate = tls_gate("certificate: certs/a.pem", "key: certs/a.key", more=f"protocols: {protocols}" if protocols
                    else "", a=server_certificate)
    with Handshake(gate.port, alpn=offered) as made:
        assert made.alpn == agreed
    assert "NO_APPLICATION_PROTOCOL" in refusal(gate.port, alpn=["spdy/3"]).upper().replace(" ", "_")


# --- Connections -----------------------------------------------------------------------------------------------


def test_keep_alive_and_large_bodies(plain, ca):
    body = bytes(range(256)) * 40000
    with Handshake(plain.port, ca=ca) as made:
        for _ in range(3):
            assert made.get("/x").json()["target"] == "/x"
        assert made.client.request("POST", "/", (), body).json()["body_length"] == len(body)
    record = plain.last_record()
    assert record["status"] == 200 and record["verdict"] == "allow"


def test_end_is_said(plain, ca):
    """A close_notify ends it: a client can tell the end from a cut."""
    with Handshake(plain.port, ca=ca) as made:
        assert made.get("/", {"Connection": "close"}).status == 200
        assert made.client.socket.recv(1) == b""  # without it: SSLEOFError


def test_scheme_reaches_the_backend(plain, ca):
    with Handshake(plain.port, ca=ca) as made:
        fields = {name.lower(): value for name, value in made.get().json()["headers"]}
    assert fields["x-forwarded-proto"] == "https" and "proto=https" in fields["forwarded"]


def test_clear_text_at_a_tls_port(plain, ca):
    """Told so in clear text or cut off; nobody else notices."""
    for octets in [wire.head("GET", "/"), b"\0" * 100, b"\x16\x03\x01\x02\x00" + b"x" * 600, b"SSH-2.0-x\r\n", b""]:
        said = say_in_clear(plain.port, octets)
        assert not said or said[0] == 0x15 or said.startswith(b"HTTP/1.1 400 "), said
    assert say_in_clear(plain.port, wire.head("GET", "/")).startswith(b"HTTP/1.1 400 ")
    with Handshake(plain.port, ca=ca) as made:
        assert made.get().status == 200


def test_host_that_the_certificate_is_not_for(tls_gate, issued):
    """RFC 9110 §15.5.20: a client that reuses its connection for another host is told to open another."""
    gate = tls_gate(*certificates(NAMES), **issued)
    with h2wire.Client(gate.port, tls=client_tls(), name="second.test") as client:
        assert client.get(authority="second.test").status == 200
        assert client.get(authority="also.second.test").status == 200
        answer = client.get(authority="first.test")
        assert answer.status == 421 and answer.reason == "misdirected_request"
        assert client.get(authority="second.test").status == 200


# --- Resumption ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_resumption_at_every_worker(plain, ca, version):
    context = client_tls(ca, alpn=None, minimum_version=version, maximum_version=version)
    with Handshake(plain.port, context=context) as first:
        assert first.get().status == 200 and not first.reused
        session = first.session
    for _ in range(12):  # of two workers, each is met
        with Handshake(plain.port, context=context, session=session) as made:
            assert made.reused and made.get().status == 200


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_resumption_by_openssl(plain, tmp_path, version):
    def connect(*options):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{plain.port}", "-servername", "gate.test",
                               version, "-ign_eof", *map(str, options)], capture_output=True, timeout=PATIENCE,
                              input=wire.head("GET", "/", {"Connection": "close"})).stdout.decode(errors="replace")
    first = connect("-sess_out", tmp_path / "session")
    assert "HTTP/1.1 200" in first and "New, TLSv1" in first
    assert "Reused, TLSv1" in connect("-sess_in", tmp_path / "session")


def test_session_of_one_name_is_not_taken_for_another(tls_gate, issued):
    gate = tls_gate(*certificates(NAMES), **issued)
    context = unverified()
    with Handshake(gate.port, "first.test", context=context) as first:
        first.get(host="first.test")
        session = first.session
    with Handshake(gate.port, "second.test", context=context, session=session) as made:
        assert not made.reused and made.certificate == issued["second"].der()


# --- Certificates changed --------------------------------------------------------------------------------------


class Load:
    """Clients that go on asking, some over one connection each and some over new ones; .failures must stay empty."""

    def __init__(self, port, ca):
        self.port, self.ca = port, ca
        self.failures, self.answers, self.stopping = [], 0, threading.Event()
        self.threads = [threading.Thread(target=run) for run in [self.keep, self.keep, self.renew, self.renew]]
        for thread in self.threads:
            thread.start()

    def keep(self):
        try:
            with Handshake(self.port, ca=self.ca) as made:
                while not self.stopping.is_set():
                    self.ask(made)
        except Exception as failure:
            self.failures.append(repr(failure))

    def renew(self):
        try:
            while not self.stopping.is_set():
                with Handshake(self.port, ca=self.ca) as made:
                    self.ask(made)
        except Exception as failure:
            self.failures.append(repr(failure))

    def ask(self, made):
        assert made.get().status == 200
        self.answers += 1

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures and self.answers > 100


def served(gate):
    with Handshake(gate.port) as made:
        return made.certificate


def test_rotation_under_load(plain, authority, ca):
    load = Load(plain.port, ca)
    try:
        for n in range(5):
            fresh = authority.issue("fresh", ["gate.test"])
            # In two steps, as tools do: between them key and certificate do not fit.
            plain.write("certs/a.pem", fresh.certificate.read_text())
            plain.write("certs/a.key", fresh.key.read_text())
            wait_until(lambda: served(plain) == fresh.der(), f"certificate {n}")
    finally:
        load.stop()


def test_bad_certificate_leaves_the_old_one(plain, authority, server_certificate, ca):
    other = authority.issue("other", ["gate.test"])
    for path, text in [("certs/a.pem", "no certificate\n"), ("certs/a.pem", other.certificate.read_text())]:
        plain.write(path, text)
        wait_until(lambda: plain.metric("gatehouse_config_last_reload_successful") == 0, "the refusal")
        assert served(plain) == server_certificate.der()
        plain.write("certs/a.pem", server_certificate.certificate.read_text())
        wait_until(lambda: plain.metric("gatehouse_config_last_reload_successful") == 1, "the repair")
    assert "certs/a.pem" in plain.errors()


def test_expiry_is_told_ahead(tls_gate, authority):
    soon, later = authority.issue("soon", ["soon.test"], days=10), authority.issue("later", ["later.test"], days=90)
    gate = tls_gate(*certificates(["soon", "later"]), soon=soon, later=later)
    expiry = {dict(labels)["name"]: value for (name, labels), value in gate.metrics().items()
              if name == "gatehouse_certificate_expiry_timestamp_seconds"}
    for name, signed in [("soon.test", soon), ("later.test", later)]:
        assert expiry[name] == calendar.timegm(signed.x509.not_valid_after.timetuple())
    assert "soon.test" in gate.errors() and "later.test" not in gate.errors()


# --- Redirect --------------------------------------------------------------------------------------------------


def test_redirect(make_gate, backend, server_certificate):
    text = listen("certificate: certs/a.pem", "key: certs/a.key").replace(
        "admin:", '  - { address: "127.0.0.1:0", redirect: https }\nadmin:')
    gate = make_gate({"gatehouse.yaml": text, "services/s.yaml": OPEN, **in_folder(a=server_certificate)}, [backend],
                     local={"s": f'"{backend.address}"'})
    port, tls_port = gate.port_of(1), gate.port_of(0)
    for method, target in [("GET", "/"), ("GET", "/a/b?c=d&e"), ("POST", "/x"), ("HEAD", "/")]:
        answer = wire.fetch(port, method, target, body=b"x" if method == "POST" else None)
        assert answer.status == 308
        assert answer.header("location") == f"https://gate.test:{tls_port}{target}"
    assert wire.fetch(port, target="/", host="gate.test:80").header("location") == f"https://gate.test:{tls_port}/"
    for host in ["evil.test/x", "a b", None]:
        with wire.Client(port) as client:
            assert client.get("/", host=host).status == 400
    assert not backend.requests


# --- testssl.sh ------------------------------------------------------------------------------------------------

# Findings about a certificate of a private authority on a loopback address, none of the gate's doing.
NOT_OURS = ("cert_", "DNS_CAArecord", "OCSP", "pwnedkeys", "intermediate_cert", "scanTime", "engine_problem",
            "optimal_proto", "scanProblem")
GOOD = ("OK", "INFO")
VULNERABILITIES = {"heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS",
                   "POODLE_SSL", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"}


def test_testssl(plain, ca, tmp_path):
    found = tmp_path / "found.json"
    subprocess.run(["testssl", "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none",
                    "--add-ca", ca, "--protocols", "--std", "--fs",
                    "--vulnerable", "--jsonfile", found, f"127.0.0.1:{plain.port}"],
                   capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
    findings = json.loads(found.read_text())
    by_id = {f["id"]: f["finding"] for f in findings}
    assert VULNERABILITIES <= by_id.keys(), by_id.keys()
    bad = [f for f in findings if f["severity"] not in GOOD and not f["id"].startswith(NOT_OURS)]
    assert not bad, bad
    assert by_id["TLS1_3"].startswith("offered") and by_id["TLS1_2"].startswith("offered")
    assert by_id["TLS1"] == by_id["TLS1_1"] == by_id["SSLv3"] == by_id["SSLv2"] == "not offered"
    if grade := by_id.get("overall_grade"):  # newer versions give one
        assert grade in ("A", "A+")
