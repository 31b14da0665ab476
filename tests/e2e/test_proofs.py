"""Tokens that are bound to their caller: with DPoP proofs (RFC 9449) over any connection, and with client
certificates (RFC 8705) over their own. Whoever has stolen a token, or seen a proof, gets nowhere with it."""

import base64
import json
import threading
import time

import pytest

import wire
from gate import run_command, wait_until
from pki import Authority
from proofs import Holder, certificate_thumbprint, connections_of_all_workers, digest
from tls_wire import Handshake, in_folder, listen
from tokens import Issuer, encode, hmac_token, private_key, public_jwk

ISSUER = Issuer()
HOLDER = Holder()
THIEF = Holder(index=200)

PROVIDERS = """\
providers:
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256]%s }
"""

SERVICE = """\
match: { path: / }
access:
  - { name: all may look, allow: anyone, on: GET /open }
  - { name: partners, allow: { provider: partners } }
"""

# Outlasts every test of a run.
BOUND = ISSUER.token("ES256", cnf=HOLDER.confirmation, exp=int(time.time()) + 86_400)


@pytest.fixture(scope="module")
def gate(make_shared):
    make_gate, make_backend = make_shared
    backend = make_backend()
    return make_gate({"services/s.yaml": SERVICE, "jwks.json": ISSUER.jwks(["ES256"])}, [backend],
                     gate=PROVIDERS % "", local={"s": f'["{backend.address}"]'})


def url(path="/orders"):
    return "http://gate.test" + path


def proved(path="/orders", token=BOUND, holder=HOLDER, **options):
    return holder.headers(url(path), token, **options)


# --- DPoP ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS256", "EdDSA"])
def test_a_proof_lets_its_token_in(gate, algorithm):
    holder = Holder(algorithm)
    token = ISSUER.token("ES256", cnf=holder.confirmation)
    for path in ("/orders", "/orders?page=2", "/a%2db/../c"):
        sent = {"/a%2db/../c": "/c"}.get(path, path.split("?")[0])
        answer = gate.get(path, proved(sent, token, holder))
        assert answer.status == 200, answer
    seen = gate.backends[0].requests[-1]
    assert seen.header("authorization") is None and seen.header("dpop") is None
    assert seen.header("gatehouse-identity")
    assert gate.record(answer)["identity"] == {"provider": "partners", "subject": "alice"}


def refused(answer, reason="proof_invalid", scheme="DPoP"):
    code = {"proof_invalid": "invalid_dpop_proof", "credential_invalid": "invalid_token"}[reason]
    assert answer.status == 401 and answer.reason == reason, answer
    assert f'error="{code}"' in answer.challenge(scheme), answer
    other = "Bearer" if scheme == "DPoP" else "DPoP"
    assert "error" not in answer.challenge(other), answer
    assert 'algs="ES256' in answer.challenge("DPoP")
    return True


def private_member():
    numbers = HOLDER.key.private_numbers()
    return encode(numbers.private_value.to_bytes(32, "big"))


WRONG = {
    "for another method": lambda: proved(method="POST"),
    "for another path": lambda: proved("/orders/1"),
    "for the path with a slash": lambda: proved("/orders/"),
    "for another host": lambda: HOLDER.headers("http://other.test/orders", BOUND),
    "for another port": lambda: HOLDER.headers("http://gate.test:8443/orders", BOUND),
    "for another scheme": lambda: HOLDER.headers("https://gate.test/orders", BOUND),
    "for another token": lambda: [("Authorization", "DPoP " + BOUND),
                                  ("DPoP", HOLDER.proof(url(), ISSUER.token("ES256")))],
    "without a token's digest": lambda: proved(ath=None),
    "without a method": lambda: proved(htm=None),
    "without an address": lambda: proved(htu=None),
    "without an id": lambda: proved(jti=None),
    "with an id of a kilobyte": lambda: proved(jti="x" * 1024),
    "without a time": lambda: proved(iat=None),
    "two minutes old": lambda: proved(iat=int(time.time()) - 120),
    "of the next minute": lambda: proved(iat=int(time.time()) + 60),
    "of another type": lambda: proved(header={"typ": "JWT"}),
    "without a key": lambda: proved(header={"jwk": None}),
    "with a private key": lambda: proved(header={"jwk": {**HOLDER.jwk, "d": private_member()}}),
    "by another's key": lambda: proved(holder=THIEF),
    "with the right key named by a thief": lambda: proved(key=THIEF.key),
    "alg none": lambda: [("Authorization", "DPoP " + BOUND),
                         ("DPoP", HOLDER.proof(url(), BOUND, header={"alg": "none"}).rsplit(".", 1)[0] + ".")],
    "alg HS256 with the public key as its secret": lambda: [
        ("Authorization", "DPoP " + BOUND),
        ("DPoP", hmac_token(HOLDER.thumbprint.encode(), {"typ": "dpop+jwt", "alg": "HS256", "jwk": HOLDER.jwk},
                            {"jti": "1", "htm": "GET", "htu": url(), "iat": int(time.time()), "ath": digest(BOUND)}))],
    "alg RS256 with a key that is none": lambda: proved(header={"alg": "RS256"}, key=private_key("rsa")),
    "an unknown extension": lambda: proved(header={"crit": ["x"], "x": 1}),
    "of 20 KiB": lambda: proved(extra="x" * 20_000),
    "no JWT": lambda: [("Authorization", "DPoP " + BOUND), ("DPoP", "no-proof")],
    "no proof at all": lambda: [("Authorization", "DPoP " + BOUND)],
    "two of them": lambda: [*proved(), ("DPoP", HOLDER.proof(url(), BOUND))],
    "the access token itself": lambda: [("Authorization", "DPoP " + BOUND), ("DPoP", BOUND)],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_proof_that_does_not_hold(gate, name):
    before = len(gate.backends[0].requests)
    assert refused(gate.get("/orders", WRONG[name]()))
    assert len(gate.backends[0].requests) == before


def test_a_public_page_does_not_excuse_a_bad_proof(gate):
    assert refused(gate.get("/open", proved("/orders")))


def test_a_proof_works_once_whichever_worker_it_reaches(gate):
    clients = connections_of_all_workers(gate)
    try:
        for round_number in range(4):
            headers = proved()
            first = clients[round_number].get("/orders", headers)
            assert first.status == 200, first
            for client in clients:
                assert refused(client.get("/orders", headers))
    finally:
        for client in clients:
            client.close()


def test_of_many_at_once_one_is_let_in(gate):
    clients = connections_of_all_workers(gate)
    for _ in range(5):
        headers, answers = proved(), []
        start = threading.Barrier(len(clients))

        def ask(client):
            start.wait()
            answers.append(client.get("/orders", headers).status)

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] + [401] * (len(clients) - 1)
    for client in clients:
        client.close()


# --- What a token is sent as -----------------------------------------------------------------------------------


def test_a_bound_token_is_no_bearer_token(gate):
    # Known to the worker from a good request, and still not believed of whoever sends it.
    with gate.client() as client:
        assert client.get("/orders", proved()).status == 200
        assert refused(client.get("/orders", {"Authorization": "Bearer " + BOUND}), "credential_invalid", "Bearer")
        with_proof = [("Authorization", "Bearer " + BOUND), ("DPoP", HOLDER.proof(url(), BOUND))]
        assert refused(client.get("/orders", with_proof), "credential_invalid", "Bearer")


def test_an_unbound_token_proves_nothing(gate):
    token = ISSUER.token("ES256")
    assert gate.get("/orders", {"Authorization": "Bearer " + token}).status == 200
    assert refused(gate.get("/orders", proved(token=token)), "credential_invalid")


def test_a_token_in_two_ways(gate):
    answer = gate.get("/orders", [("Authorization", "Bearer " + BOUND), *proved()])
    assert answer.status == 400 and answer.reason == "credential_malformed"


NOT_UNDERSTOOD = [{}, None, "x", [HOLDER.thumbprint], {"jkt": "short"}, {"jkt": None}, {"kid": "x"},
                  {"jwk": public_jwk(HOLDER.key, "x")}, {"x5t": HOLDER.thumbprint}, {**HOLDER.confirmation, "more": "x"}]


@pytest.mark.parametrize("confirmation", NOT_UNDERSTOOD, ids=str)
def test_a_binding_that_is_not_understood(gate, confirmation):
    token = ISSUER.token("ES256", payload=json.dumps({**ISSUER.claims(), "cnf": confirmation}))
    for headers in (proved(token=token), [("Authorization", "Bearer " + token)]):
        answer = gate.get("/orders", headers)
        assert answer.status == 401 and answer.reason == "credential_invalid", answer


def test_only_bound_tokens_where_the_provider_asks_for_them(make_gate, backend):
    gate = make_gate({"services/s.yaml": SERVICE, "jwks.json": ISSUER.jwks(["ES256"])}, [backend],
                     gate=PROVIDERS % ", sender_constrained: required", local={"s": f'["{backend.address}"]'})
    assert refused(gate.get("/orders", ISSUER.bearer("ES256")), "credential_invalid", "Bearer")
    assert gate.get("/orders", proved()).status == 200


def test_that_tokens_have_to_be_bound_holds_at_once(make_gate, backend):
    gate = make_gate({"services/s.yaml": SERVICE, "jwks.json": ISSUER.jwks(["ES256"])}, [backend],
                     gate=PROVIDERS % "", local={"s": f'["{backend.address}"]'})
    bearer = ISSUER.bearer("ES256")
    with gate.client() as client:
        assert client.get("/orders", bearer).status == 200
        text = (gate.folder / "gatehouse.yaml").read_text()
        gate.write("gatehouse.yaml", text.replace("[ES256]", "[ES256], sender_constrained: required"))
        wait_until(lambda: client.get("/orders", bearer).status == 401, "the cached token to be refused")


# --- Behind a proxy --------------------------------------------------------------------------------------------


def test_the_address_is_the_one_the_client_sees(make_gate, backend):
    text = """\
listen: [{ address: "127.0.0.1:0", trusted_proxies: [127.0.0.2/32] }]
admin: { address: "127.0.0.1:0" }
log: { access: { file: access.log } }
"""
    gate = make_gate({"gatehouse.yaml": text + PROVIDERS % "", "services/s.yaml": SERVICE,
                      "jwks.json": ISSUER.jwks(["ES256"])}, [backend], local={"s": f'["{backend.address}"]'})
    forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example")]
    seen = "https://shop.example/orders"
    with wire.Client(gate.port, source="127.0.0.2") as proxy:
        assert proxy.get("/orders", HOLDER.headers(seen, BOUND) + forwarded).status == 200
        assert refused(proxy.get("/orders", proved() + forwarded))
    with wire.Client(gate.port) as anybody:
        assert refused(anybody.get("/orders", HOLDER.headers(seen, BOUND) + forwarded))
        assert anybody.get("/orders", proved() + forwarded).status == 200


# --- Certificates ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("mesh"), "mesh", "Mesh CA")


@pytest.fixture(scope="module")
def callers(mesh):
    return mesh.issue("mine", ["mine.mesh"], client=True), mesh.issue("other", ["other.mesh"], client=True)


@pytest.fixture
def mesh_gate(make_gate, backend, mesh, server_certificate):
    text = listen("certificate: certs/a.pem", "key: certs/a.key", "client_cert: optional") + PROVIDERS % ""
    return make_gate({"gatehouse.yaml": text + "  mesh: { client_cert: { ca: mesh.pem } }\n", "services/s.yaml": SERVICE,
                      "jwks.json": ISSUER.jwks(["ES256"]), "mesh.pem": mesh.certificate.read_text(),
                      **in_folder(a=server_certificate)}, [backend], local={"s": f'"{backend.address}"'})


def test_a_token_bound_to_a_certificate(mesh_gate, callers, backend):
    mine, other = callers
    token = ISSUER.token("ES256", cnf={"x5t#S256": certificate_thumbprint(mine)})
    bearer = {"Authorization": "Bearer " + token}
    with Handshake(mesh_gate.port, certificate=mine.pair) as made:
        answer = made.get("/orders", bearer)
        assert answer.status == 200
        # The token says who is calling, not the certificate.
        assert mesh_gate.record(answer)["identity"]["subject"] == "alice"
        session, context = made.session, made.context
    with Handshake(mesh_gate.port, context=context, session=session) as resumed:
        assert resumed.get("/orders", bearer).status == 200
    with Handshake(mesh_gate.port, certificate=other.pair) as made:
        assert refused(made.get("/orders", bearer), "credential_invalid", "Bearer")
    with Handshake(mesh_gate.port) as made:
        assert refused(made.get("/orders", bearer), "credential_invalid", "Bearer")
        forged = {**bearer, "Client-Cert": f":{base64.b64encode(mine.der()).decode()}:"}
        assert refused(made.get("/orders", forged), "credential_invalid", "Bearer")
    assert len(backend.requests) == 2


def test_a_token_bound_to_both(mesh_gate, callers):
    mine, other = callers
    token = ISSUER.token("ES256", cnf={"x5t#S256": certificate_thumbprint(mine), **HOLDER.confirmation})

    def proof():
        return HOLDER.headers("https://gate.test/orders", token)

    with Handshake(mesh_gate.port, certificate=mine.pair) as made:
        assert made.get("/orders", proof()).status == 200
        assert refused(made.get("/orders", {"Authorization": "Bearer " + token}), "credential_invalid", "Bearer")
    with Handshake(mesh_gate.port, certificate=other.pair) as made:
        assert refused(made.get("/orders", proof()), "credential_invalid")


# --- The command -----------------------------------------------------------------------------------------------


def test_explain_checks_the_proof_it_is_given(gate):
    def explain(*headers):
        arguments = [part for name, value in headers for part in ("--header", f"{name}: {value}")]
        return run_command("explain", gate.folder, "GET", url(), *arguments)

    good = explain(*proved())
    assert good.returncode == 0 and "alice of partners" in good.stdout, good
    missing = explain(("Authorization", "DPoP " + BOUND))
    assert missing.returncode == 1 and "proof_invalid" in missing.stdout, missing
    bearer = run_command("explain", gate.folder, "GET", url(), "--token", BOUND)
    assert bearer.returncode == 1 and "sent without a proof (DPoP)" in bearer.stdout, bearer
