"""Client certificates as credentials: who is asked for one, whose are believed, what identity they give, and what a
backend is told (RFC 9440)."""

import base64

import pytest

from gate import run_command, wait_until
from pki import Authority
from tls_wire import OPEN, Handshake, in_folder, listen, refusal
from tokens import Issuer

ISSUER = Issuer()

PROVIDERS = """\
providers:
  mesh:
    client_cert: { ca: mesh.pem%s }
  robots: { api_keys: { file: keys.yaml } }
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256] }
"""

SERVICE = """\
match: { path: / }
forward: { to: "${s}", client_cert: header }
access:
  - { name: all may look, allow: anyone, on: GET /open }
  - { name: the mesh, allow: { provider: mesh }, on: GET /mesh/** }
  - { name: billing alone, allow: { provider: mesh, subjects: ["spiffe://example.org/billing"] }, on: GET /billing }
  - { name: operators, allow: { provider: mesh, groups: [ops] }, on: GET /ops }
  - { name: partners, allow: { provider: partners }, on: GET /partners }
  - { name: robots, allow: { provider: robots }, on: GET /robots }
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("mesh"), "mesh", "Mesh CA")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger", "Stranger CA")


@pytest.fixture(scope="module")
def callers(mesh):
    return {
        "spiffe": mesh.issue("spiffe", ["spiffe://example.org/billing", "billing.mesh"], "billing", client=True),
        "dns": mesh.issue("dns", ["orders.mesh"], "orders", client=True),
        "subject": mesh.issue("subject", [], "Alice", units=["ops", "dev"], client=True),
    }


@pytest.fixture
def gate_with(make_gate, backend, mesh, server_certificate):
    """gate_with("optional", more keys of the provider)."""
    def make(mode, keys=""):
        text = listen("certificate: certs/a.pem", "key: certs/a.key", f"client_cert: {mode}") + PROVIDERS % keys
        gate = make_gate({"gatehouse.yaml": text, "services/s.yaml": SERVICE, "jwks.json": ISSUER.jwks(["ES256"]),
                          "mesh.pem": mesh.certificate.read_text(), **in_folder(a=server_certificate)},
                         [backend], local={"s": f'"{backend.address}"'}, start=False)
        gate.key = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci").stdout.split()[0]
        return gate.start()
    return make


@pytest.fixture
def asking(gate_with):
    return gate_with("optional")


def ask(gate, path, signed=None, headers=()):
    with Handshake(gate.port, certificate=signed.pair if signed else None) as made:
        return made.get(path, headers)


# --- Whose certificates ----------------------------------------------------------------------------------------


def test_none(make_gate, backend, callers, server_certificate):
    """A listener that asks for none is shown none."""
    gate = make_gate({"gatehouse.yaml": listen("certificate: certs/a.pem", "key: certs/a.key"), "services/s.yaml": OPEN,
                      **in_folder(a=server_certificate)}, [backend], local={"s": f'"{backend.address}"'})
    answer = ask(gate, "/x", callers["dns"])
    assert answer.status == 200 and "identity" not in gate.record(answer)


def test_optional(asking, callers):
    assert ask(asking, "/open").status == 200
    answer = ask(asking, "/mesh/x")
    assert answer.status == 401 and answer.reason == "credential_missing"
    assert ask(asking, "/mesh/x", callers["dns"]).status == 200


def test_required(gate_with, callers):
    gate = gate_with("required")
    assert "certificate required" in refusal(gate.port).lower().replace("_", " ")
    assert ask(gate, "/mesh/x", callers["dns"]).status == 200
    assert gate.last_record()["path"] == "/mesh/x"


def bad_certificates(mesh, stranger):
    return {
        "of another authority": stranger.issue("dns", ["orders.mesh"], client=True),
        "expired": mesh.issue("expired", ["orders.mesh"], days=-1, from_days=-10, client=True),
        "not yet valid": mesh.issue("early", ["orders.mesh"], days=30, from_days=5, client=True),
        "for servers": mesh.issue("server", ["orders.mesh"]),
        "signed by itself": Authority(mesh.folder, "self", "orders.mesh"),
    }


def test_bad_certificates_end_the_handshake(asking, mesh, stranger, backend):
    """One that is sent must be good, also where none is needed."""
    for name, signed in bad_certificates(mesh, stranger).items():
        assert "alert" in refusal(asking.port, certificate=signed.pair).lower(), name
    assert not backend.requests
    assert ask(asking, "/open").status == 200


def test_of_an_intermediate(asking, mesh):
    between = Authority(mesh.folder, "between", "Mesh Intermediate", above=mesh)
    assert ask(asking, "/mesh/x", between.issue("deep", ["deep.mesh"], client=True)).status == 200


# --- The identity ----------------------------------------------------------------------------------------------

SUBJECTS = {"spiffe": "spiffe://example.org/billing", "dns": "orders.mesh"}


@pytest.mark.parametrize("kind", SUBJECTS)
def test_identity(asking, callers, kind):
    answer = ask(asking, "/mesh/x", callers[kind])
    assert answer.status == 200
    record = asking.record(answer)
    assert record["identity"] == {"provider": "mesh", "subject": SUBJECTS[kind]}
    assert record["rule_name"] == "the mesh"


def test_identity_by_subject(asking, callers):
    """RFC 2253: the last part first."""
    record = asking.record(ask(asking, "/mesh/x", callers["subject"]))
    assert record["identity"]["subject"] == "CN=Alice,OU=dev,OU=ops,O=Example"


def test_identity_in_another_order(gate_with, callers):
    gate = gate_with("optional", ", identity: [dns, spiffe]")
    assert gate.record(ask(gate, "/mesh/x", callers["spiffe"]))["identity"]["subject"] == "billing.mesh"
    # None of the kinds that count: nobody.
    assert ask(gate, "/mesh/x", callers["subject"]).status in (401, 403)


def test_rules_by_subject_and_group(gate_with, callers):
    gate = gate_with("optional", ", groups_from: ou")
    assert ask(gate, "/billing", callers["spiffe"]).status == 200
    assert ask(gate, "/billing", callers["dns"]).reason == "rule_denied"
    assert ask(gate, "/ops", callers["subject"]).status == 200
    assert ask(gate, "/ops", callers["dns"]).reason == "rule_denied"


def test_units_are_no_groups_unless_said(asking, callers):
    assert ask(asking, "/ops", callers["subject"]).reason == "rule_denied"


# --- Beside other credentials ----------------------------------------------------------------------------------


def test_credential_of_the_request_decides(asking, callers):
    """mTLS in front of tokens: the token says who is calling."""
    token = ISSUER.bearer("ES256")
    answer = ask(asking, "/partners", callers["dns"], token)
    assert answer.status == 200 and asking.record(answer)["identity"] == {"provider": "partners", "subject": "alice"}
    assert ask(asking, "/robots", callers["dns"], {"X-Api-Key": asking.key}).status == 200
    # Then the certificate is no second caller.
    assert ask(asking, "/mesh/x", callers["dns"], token).reason == "rule_denied"
    assert ask(asking, "/mesh/x", callers["dns"], {"X-Api-Key": "gh_nonsense"}).status == 401


# --- What the backend is told ----------------------------------------------------------------------------------


def fields_at(backend):
    return {name.lower(): value for name, value in backend.requests[-1].headers}


def test_header_for_the_backend(asking, callers, backend):
    """RFC 9440 §2.1: the certificate as a byte sequence of structured fields."""
    ask(asking, "/mesh/x", callers["dns"])
    assert fields_at(backend)["client-cert"] == ":" + base64.b64encode(callers["dns"].der()).decode() + ":"
    ask(asking, "/robots", callers["dns"], {"X-Api-Key": asking.key})
    assert fields_at(backend)["client-cert"] == ":" + base64.b64encode(callers["dns"].der()).decode() + ":"


def test_chain_for_the_backend(asking, mesh, backend):
    between = Authority(mesh.folder, "between2", "Mesh Intermediate", above=mesh)
    ask(asking, "/mesh/x", between.issue("deep2", ["deep.mesh"], client=True))
    chain = fields_at(backend)["client-cert-chain"]
    assert chain.split(", ")[0] == ":" + base64.b64encode(between.der()).decode() + ":"


def test_header_of_the_client_is_stripped(asking, callers, backend):
    forged = {"Client-Cert": ":AAAA:", "Client-Cert-Chain": ":AAAA:"}
    ask(asking, "/open", headers=forged)
    assert "client-cert" not in fields_at(backend) and "client-cert-chain" not in fields_at(backend)
    ask(asking, "/mesh/x", callers["dns"], forged)
    assert fields_at(backend)["client-cert"] != ":AAAA:"


def test_not_told_unless_asked_for(asking, callers, backend):
    before = asking.generation()
    asking.write("services/s.yaml", SERVICE.replace(", client_cert: header", ""))
    wait_until(lambda: asking.generation() > before, "the new generation")
    ask(asking, "/mesh/x", callers["dns"])
    assert "client-cert" not in fields_at(backend)


# --- Changes ---------------------------------------------------------------------------------------------------


def test_new_bundle_is_used(asking, mesh, stranger, callers):
    newcomer = stranger.issue("newcomer", ["new.mesh"], client=True)
    with Handshake(asking.port, certificate=callers["dns"].pair) as old:
        assert old.get("/mesh/x").status == 200
        asking.write("mesh.pem", stranger.certificate.read_text())

        def is_taken():
            try:
                return ask(asking, "/mesh/x", newcomer).status == 200
            except OSError:
                return False
        wait_until(is_taken, "the new bundle to be used")
        assert "alert" in refusal(asking.port, certificate=callers["dns"].pair).lower()
        # The connection lives; whether its certificate still counts is decided anew with each request.
        assert old.get("/open").status == 200
