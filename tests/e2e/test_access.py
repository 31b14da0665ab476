"""Who may call what: API keys, JWTs with real keys and every tampering of RFC 8725, rules, the challenges of
RFC 6750, and the identity assertion that a backend can verify."""

import json
import time

import pytest

import wire
from gate import run_command, wait_until, write_files
from tokens import ALGORITHMS, Issuer, decode, encode, hmac_token, sign, verify_es256

ISSUER = Issuer()

JWT_GATE = """\
providers:
  partners:
    jwt:
      issuer: "https://id.partner.example"
      audience: [orders]
      jwks: { file: jwks.json }
      algorithms: [%s]
"""

ORDERS = """\
match: { path: /orders }
access:
  - { name: health is public, allow: anyone, on: GET /orders/health }
  - name: partners read
    allow: { provider: partners, scopes: [orders:read] }
    on: GET /orders/**
  - name: support may do anything
    allow: { provider: partners, groups: [support] }
  - name: never mallory
    deny: { subjects: [mallory] }
"""

READ = {"scope": "orders:read other"}


@pytest.fixture
def jwt_gate(make_gate, backend):
    return make_gate({"services/orders.yaml": ORDERS, "jwks.json": ISSUER.jwks()}, [backend],
                     gate=JWT_GATE % ", ".join(ALGORITHMS), local={"orders": f'["{backend.address}"]'})


@pytest.fixture(scope="module")
def shared_jwt_gate(make_shared):
    make_gate, make_backend = make_shared
    backend = make_backend()
    return make_gate({"services/orders.yaml": ORDERS, "jwks.json": ISSUER.jwks()}, [backend],
                     gate=JWT_GATE % ", ".join(ALGORITHMS), local={"orders": f'["{backend.address}"]'})


# --- JWT -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_verified(shared_jwt_gate, algorithm):
    jwt_gate = shared_jwt_gate
    answer = jwt_gate.get("/orders/1", ISSUER.bearer(algorithm, **READ))
    assert answer.status == 200, answer
    record = jwt_gate.record(answer)
    assert record["identity"] == {"provider": "partners", "subject": "alice"}
    assert record["rule_name"] == "partners read" and record["rule"] == "services/orders.yaml:4:5"
    # A second time it comes from the cache of verified tokens; another signature over it must not.
    token = ISSUER.token(algorithm, **READ)
    assert jwt_gate.get("/orders/1", {"Authorization": f"Bearer {token}"}).status == 200
    assert jwt_gate.get("/orders/1", {"Authorization": f"Bearer {flip_last(token)}"}).status == 401


def flip_last(token):
    """The token with one bit of its signature changed."""
    head, body, signature = token.split(".")
    raw = bytearray(decode(signature))
    raw[-1] ^= 1
    return f"{head}.{body}.{encode(bytes(raw))}"


def swapped_payload():
    head, _, signature = ISSUER.token(**READ).split(".")
    return f"{head}.{encode(ISSUER.claims(sub='root', **READ))}.{signature}"


def signed_with(algorithm, header_algorithm, kid_of=None):
    """A token whose header says one algorithm while another signed it."""
    fields = {"alg": header_algorithm, "kid": ISSUER.kid(kid_of or algorithm)}
    signed = f"{encode(fields)}.{encode(ISSUER.claims(**READ))}"
    return f"{signed}.{encode(sign(ISSUER.key(algorithm), algorithm, signed.encode()))}"


def rsa_public_pem():
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    return ISSUER.key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def none_token(name):
    return f"{encode({'alg': name})}.{encode(ISSUER.claims(**READ))}."


def duplicate_claim():
    claims = json.dumps(ISSUER.claims(**READ))
    return ISSUER.token(payload=claims[:-1] + ', "sub": "root"}')


NOW = int(time.time())

TAMPERED = {
    "signature bit": lambda: flip_last(ISSUER.token(**READ)),
    "signature missing": lambda: ISSUER.token(**READ).rsplit(".", 1)[0] + ".",
    "signature of another token": swapped_payload,
    "key of another issuer": lambda: Issuer(index=1).token(header={"kid": ISSUER.kid("RS256")}, **READ),
    "unknown kid": lambda: ISSUER.token(header={"kid": "nobody"}, **READ),
    "alg none": lambda: none_token("none"),
    "alg None": lambda: none_token("None"),
    "alg NONE with signature": lambda: ISSUER.token(header={"alg": "NONE"}, **READ),
    "no alg": lambda: ISSUER.token(header={"alg": None}, **READ),
    "HMAC with the public key": lambda: hmac_token(rsa_public_pem(), {"alg": "HS256", "kid": ISSUER.kid("RS256")},
                                                   ISSUER.claims(**READ)),
    "HMAC with an empty key": lambda: hmac_token(b"", {"alg": "HS256"}, ISSUER.claims(**READ)),
    "PS signature called RS": lambda: signed_with("PS256", "RS256"),
    "RS384 called RS256": lambda: signed_with("RS384", "RS256"),
    "EC key called RS256": lambda: signed_with("ES256", "RS256"),
    "ES256 with the RSA kid": lambda: signed_with("ES256", "ES256", kid_of="RS256"),
    "unknown crit": lambda: ISSUER.token(header={"crit": ["exp"]}, **READ),
    "empty crit": lambda: ISSUER.token(header={"crit": []}, **READ),
    "key in the header": lambda: Issuer(index=1).token(
        header={"jwk": Issuer(index=1).jwks(["RS256"])["keys"][0], "kid": None}, **READ),
    "key URL in the header": lambda: Issuer(index=1).token(header={"jku": "http://127.0.0.1:1/jwks"}, **READ),
    "expired": lambda: ISSUER.token(exp=NOW - 120, iat=NOW - 600, **READ),
    "no expiry": lambda: ISSUER.token(exp=None, **READ),
    "expiry is a string": lambda: ISSUER.token(exp=str(NOW + 300), **READ),
    "not yet valid": lambda: ISSUER.token(nbf=NOW + 600, **READ),
    "issued in the future": lambda: ISSUER.token(iat=NOW + 600, **READ),
    "another issuer": lambda: ISSUER.token(iss="https://evil.example", **READ),
    "issuer with a slash more": lambda: ISSUER.token(iss=ISSUER.name + "/", **READ),
    "no issuer": lambda: ISSUER.token(iss=None, **READ),
    "another audience": lambda: ISSUER.token(aud="billing", **READ),
    "audience as a part": lambda: ISSUER.token(aud="orders2", **READ),
    "no audience": lambda: ISSUER.token(aud=None, **READ),
    "duplicate claim": duplicate_claim,
    "payload is no object": lambda: ISSUER.token(payload="[1]"),
    "payload is no JSON": lambda: ISSUER.token(payload="{"),
    "padding": lambda: ISSUER.token(**READ) + "=",
    "not base64url": lambda: ISSUER.token(**READ).replace(".", ".+", 1),
    "four parts": lambda: ISSUER.token(**READ) + ".x",
    "two parts": lambda: "e30.e30",
    "no token form at all": lambda: "hello",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_tokens_never_pass(shared_jwt_gate, name):
    backend = shared_jwt_gate.backends[0]
    before = len(backend.requests)
    answer = shared_jwt_gate.get("/orders/1", {"Authorization": "Bearer " + TAMPERED[name]()})
    assert answer.status in (400, 401), answer
    assert answer.reason in ("credential_invalid", "credential_malformed")
    assert 'error="invalid_' in answer.challenge()
    assert len(backend.requests) == before
    record = shared_jwt_gate.record(answer)
    # The rules were never asked, so there is no verdict.
    assert record.get("verdict") != "allow" and record["reason"] == answer.reason
    assert record["phase"] == "authenticate"


def test_bad_credential_is_refused_where_anyone_may(jwt_gate, backend):
    assert jwt_gate.get("/orders/health").status == 200
    answer = jwt_gate.get("/orders/health", {"Authorization": "Bearer " + TAMPERED["expired"]()})
    assert answer.status == 401 and answer.reason == "credential_invalid"
    assert len(backend.requests) == 1


def test_algorithm_not_listed_is_refused(make_gate, backend):
    gate = make_gate({"services/orders.yaml": ORDERS, "jwks.json": ISSUER.jwks()}, [backend],
                     gate=JWT_GATE % "ES256", local={"orders": f'["{backend.address}"]'})
    assert gate.get("/orders/1", ISSUER.bearer("RS256", **READ)).status == 401
    assert gate.get("/orders/1", ISSUER.bearer("ES256", **READ)).status == 200


def test_clock_skew_of_thirty_seconds(jwt_gate):
    now = int(time.time())
    assert jwt_gate.get("/orders/1", ISSUER.bearer(exp=now - 5, **READ)).status == 200
    assert jwt_gate.get("/orders/1", ISSUER.bearer(nbf=now + 20, **READ)).status == 200
    assert jwt_gate.get("/orders/1", ISSUER.bearer(exp=now - 60, **READ)).status == 401


def test_audience_as_list_and_scopes_as_list(jwt_gate):
    assert jwt_gate.get("/orders/1", ISSUER.bearer(aud=["billing", "orders"], **READ)).status == 200
    assert jwt_gate.get("/orders/1", ISSUER.bearer(scope=["orders:read"])).status == 200


def test_key_set_from_a_url_survives_rotation_and_outage(make_gate, make_backend, backend):
    published = {"keys": ISSUER.jwks(["RS256"])["keys"], "down": False}

    def serve_keys(call):
        if published["down"]:
            call.respond(500)
        else:
            call.respond(200, [("Content-Type", "application/json")],
                         json.dumps({"keys": published["keys"]}).encode())

    provider = make_backend(serve_keys, name="keys")
    gate_text = (JWT_GATE % "RS256, ES256").replace("{ file: jwks.json }", f'"http://{provider.address}/jwks"')
    gate = make_gate({"services/orders.yaml": ORDERS}, [backend], gate=gate_text,
                     local={"orders": f'["{backend.address}"]'})
    wait_until(lambda: gate.get("/orders/1", ISSUER.bearer(**READ)).status == 200, "the first key set")

    # A new key: its kid is unknown, which makes the gate fetch again, off the request path.
    published["keys"] = ISSUER.jwks(["RS256", "ES256"])["keys"]
    wait_until(lambda: gate.get("/orders/1", ISSUER.bearer("ES256", **READ)).status == 200, "the new key",
               timeout=90)

    published["down"] = True
    for _ in range(5):
        gate.get("/orders/1", ISSUER.bearer(header={"kid": "unknown"}, **READ))
    assert gate.get("/orders/1", ISSUER.bearer("ES256", **READ)).status == 200
    # Unknown kids must not become a stream of fetches.
    before = len(provider.requests)
    for number in range(50):
        assert gate.get("/orders/1", ISSUER.bearer(header={"kid": f"u{number}"}, **READ)).status in (401, 503)
    assert len(provider.requests) - before <= 3


def test_key_set_file_is_watched(jwt_gate):
    other = Issuer(index=1)
    assert jwt_gate.get("/orders/1", other.bearer("ES256", **READ)).status == 401
    jwt_gate.write("jwks.json", other.jwks(["ES256"]))
    wait_until(lambda: jwt_gate.get("/orders/1", other.bearer("ES256", **READ)).status == 200, "the new key")
    # The old key is gone, and so must be the cached verdicts it gave.
    assert jwt_gate.get("/orders/1", ISSUER.bearer("RS256", **READ)).status == 401


# --- Challenges (RFC 6750) -------------------------------------------------------------------------------------


def test_missing_credential(jwt_gate, backend):
    answer = jwt_gate.get("/orders/1")
    assert answer.status == 401 and answer.reason == "credential_missing"
    challenge = answer.challenge()
    assert challenge.startswith("Bearer realm=") and "error" not in challenge
    assert backend.requests == []


@pytest.mark.parametrize("headers", [
    [("Authorization", "Bearer")],
    [("Authorization", "Bearer ")],
    [("Authorization", "Bearer a b")],
    [("Authorization", "Bearer x"), ("Authorization", "Bearer x")],
])
def test_malformed_or_repeated_credential(jwt_gate, backend, headers):
    answer = jwt_gate.get("/orders/1", headers)
    assert answer.status == 400 and answer.reason == "credential_malformed"
    assert 'error="invalid_request"' in answer.challenge()
    assert backend.requests == []


def test_too_little_scope(jwt_gate, backend):
    answer = jwt_gate.get("/orders/1", ISSUER.bearer(scope="orders:write"))
    assert answer.status == 403
    assert answer.reason == "scope_insufficient"
    challenge = answer.challenge()
    assert 'error="insufficient_scope"' in challenge and 'scope="orders:read"' in challenge
    assert backend.requests == []


def test_token_in_the_query_is_never_taken(jwt_gate, backend):
    token = ISSUER.token(**READ)
    answer = jwt_gate.get(f"/orders/1?access_token={token}")
    assert answer.status == 401
    assert backend.requests == []


# --- Rules -----------------------------------------------------------------------------------------------------


def test_deny_wins_whatever_allows(jwt_gate, backend):
    answer = jwt_gate.get("/orders/1", ISSUER.bearer(sub="mallory", groups=["support"], **READ))
    assert answer.status == 403 and answer.reason == "rule_denied"
    record = jwt_gate.record(answer)
    assert record["rule_name"] == "never mallory" and record["verdict"] == "deny"
    assert record["rule"].startswith("services/orders.yaml:9:")
    assert backend.requests == []


def test_groups_any_and_no_match_denies(jwt_gate):
    assert jwt_gate.fetch("DELETE", "/orders/1", ISSUER.bearer(groups=["x", "support"])).status == 200
    assert jwt_gate.fetch("DELETE", "/orders/1", ISSUER.bearer(groups=["supporters"])).status == 403
    assert jwt_gate.fetch("POST", "/orders/health").status == 401


RULES = """\
match: { path: / }
access:
  - { name: nested, on: GET /nested, allow: { provider: partners, claims: { org.unit: [a, b] } } }
  - { name: not, on: GET /not, allow: { provider: partners, not: { groups: [guests] } } }
  - { name: in, on: GET /in, allow: authenticated }
  - { name: net, on: "GET,HEAD /net", allow: anyone, from: [127.0.0.2/32] }
  - { name: any method, on: "* /any", allow: anyone }
  - { name: several, on: [GET /one, POST /two], allow: anyone }
  - { name: parameter, on: "GET /users/{id}/mail", allow: anyone }
  - { name: seen, on: GET /seen, allow: anyone }
  - { name: watch, on: GET /seen, deny: anyone, observe: true }
"""


def test_rule_conditions(make_gate, backend):
    gate = make_gate({"services/s.yaml": RULES, "jwks.json": ISSUER.jwks()}, [backend],
                     gate=JWT_GATE % "RS256, ES256", local={"s": f'["{backend.address}"]'})

    def status(method, path, source=None, headers=(), **claims):
        with wire.Client(gate.port, source=source) as client:
            return client.request(method, path, ISSUER.bearer("ES256", **claims) if claims else headers).status

    for expected, arguments, claims in [
        (200, ("GET", "/nested"), {"org": {"unit": "b"}}),
        (200, ("GET", "/nested"), {"org": {"unit": ["x", "a"]}}),
        (403, ("GET", "/nested"), {"org": {"unit": "c"}}),
        (403, ("GET", "/nested"), {"org": "a"}),
        (200, ("GET", "/not"), {"groups": ["staff"]}),
        (403, ("GET", "/not"), {"groups": ["staff", "guests"]}),
        (200, ("GET", "/in"), {"sub": "anyone at all"}),
        (401, ("GET", "/in"), {}),
        (200, ("GET", "/net", "127.0.0.2"), {}),
        (200, ("HEAD", "/net", "127.0.0.2"), {}),
        (200, ("BREW", "/any"), {}),
        (200, ("GET", "/any/below"), {}),
        (200, ("GET", "/one"), {}),
        (200, ("POST", "/two/below"), {}),
        (200, ("GET", "/users/7/mail"), {}),
        (200, ("GET", "/seen"), {}),
    ]:
        assert status(*arguments, **claims) == expected, (arguments, claims)
    for method, path in [("GET", "/net"), ("POST", "/one"), ("GET", "/two"), ("GET", "/users/7/8/mail"),
                         ("GET", "/users/7"), ("GET", "/nothing"), ("GET", "/anything")]:
        assert status(method, path) in (401, 403), (method, path)


def test_gate_wide_denials(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n"}, [backend],
                     gate="access:\n  - { name: no internals, deny: anyone, on: \"* /internal\" }\n",
                     local={"s": f'["{backend.address}"]'})
    assert gate.get("/public").status == 200
    answer = gate.get("/internal/x")
    assert answer.status == 403 and answer.reason == "rule_denied"
    assert gate.record(answer)["rule_name"] == "no internals"


def test_service_without_access_lets_nobody_in(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})
    assert gate.get("/").status in (401, 403)
    assert backend.requests == []


# --- API keys --------------------------------------------------------------------------------------------------

KEYS_GATE = "providers:\n  robots:\n    api_keys: { file: keys.yaml }\n"
KEYS_SERVICE = """\
match: { path: / }
access:
  - { name: robots write, on: POST /**, allow: { provider: robots, scopes: [write] } }
  - { name: robots read, on: GET /**, allow: { provider: robots } }
"""


def new_key(gate, *arguments):
    done = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci", *arguments)
    assert done.returncode == 0, done.stderr
    return next(word.strip('",') for word in done.stdout.split() if "gh_" in word)


@pytest.fixture
def keys_gate(make_gate, backend):
    return make_gate({"services/s.yaml": KEYS_SERVICE, "keys.yaml": "keys: []\n"}, [backend], gate=KEYS_GATE,
                     local={"s": f'["{backend.address}"]'})


def test_api_key_life(keys_gate, backend):
    key = new_key(keys_gate, "--scopes", "write")
    assert key not in (keys_gate.folder / "keys.yaml").read_text()
    # The running gate has it as soon as the file is read.
    wait_until(lambda: keys_gate.get("/x", {"X-Api-Key": key}).status == 200, "the key")
    answer = keys_gate.fetch("POST", "/x", {"Authorization": "Bearer " + key}, b"1")
    assert answer.status == 200
    identity = keys_gate.record(answer)["identity"]
    assert identity["provider"] == "robots" and identity["subject"]
    # The key never reaches the backend.
    for request in backend.requests:
        assert key.encode() not in request.raw
        assert request.header("authorization") is None and request.header("x-api-key") is None

    listed = run_command("keys", "list", keys_gate.folder, "--provider", "robots", "--json")
    identifier = json.loads(listed.stdout)
    identifier = (identifier["keys"] if isinstance(identifier, dict) else identifier)[0]["id"]
    revoked = run_command("keys", "revoke", keys_gate.folder, "--provider", "robots", identifier)
    assert revoked.returncode == 0, revoked.stderr
    wait_until(lambda: keys_gate.get("/x", {"X-Api-Key": key}).status == 401, "the key to be revoked")


def test_wrong_api_keys(keys_gate, backend):
    key = new_key(keys_gate)
    wait_until(lambda: keys_gate.get("/x", {"X-Api-Key": key}).status == 200, "the key")
    served = len(backend.requests)
    other = "A" if key[-1] != "A" else "B"
    for wrong in [key[:-1] + other, key + "A", key[:-1], key.upper(), "gh_", "x" * 5000]:
        answer = keys_gate.get("/x", {"X-Api-Key": wrong})
        assert answer.status in (400, 401), (wrong, answer)
    assert keys_gate.fetch("POST", "/x", {"X-Api-Key": key}).status == 403  # has no scope
    assert keys_gate.get("/x", [("X-Api-Key", key), ("X-Api-Key", key)]).status == 400
    assert len(backend.requests) == served


def test_expired_key(keys_gate):
    key = new_key(keys_gate)
    wait_until(lambda: keys_gate.get("/x", {"X-Api-Key": key}).status == 200, "the key")
    import yaml
    listed = yaml.safe_load((keys_gate.folder / "keys.yaml").read_text())
    listed["keys"][0]["expires"] = "2020-01-01T00:00:00Z"
    listed["keys"] = [{name: str(v) if name in ("created", "expires") else v for name, v in k.items()}
                      for k in listed["keys"]]
    keys_gate.write("keys.yaml", listed)
    wait_until(lambda: keys_gate.get("/x", {"X-Api-Key": key}).status == 401, "the key to expire")


def test_two_kinds_of_credential_conflict(make_gate, backend):
    gate = make_gate({"services/s.yaml": KEYS_SERVICE, "keys.yaml": "keys: []\n", "jwks.json": ISSUER.jwks()},
                     [backend], gate=(JWT_GATE % "RS256") + "  robots:\n    api_keys: { file: keys.yaml }\n",
                     local={"s": f'["{backend.address}"]'})
    key = new_key(gate)
    wait_until(lambda: gate.get("/x", {"X-Api-Key": key}).status == 200, "the key")
    answer = gate.get("/x", {"X-Api-Key": key, **ISSUER.bearer(**READ)})
    assert answer.status == 400 and answer.reason == "credential_conflict"


# --- Identity passed on ----------------------------------------------------------------------------------------


def test_backend_can_verify_who_called(jwt_gate, backend):
    assert jwt_gate.get("/orders/1", ISSUER.bearer(sub="alice", email="a@b.example", groups=["support"])
                        ).status == 200
    keys = jwt_gate.get("/.well-known/gatehouse/jwks.json")
    assert keys.status == 200
    claims = verify_es256(backend.requests[0].header("gatehouse-identity"), keys.json())
    assert claims["sub"] == "alice" and claims["groups"] == ["support"] and claims["email"] == "a@b.example"
    assert claims["aud"] in ("orders", ["orders"])
    assert ":" in claims["iss"] and claims["jti"]
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert not any("d" in key for key in keys.json()["keys"]), "a private key is published"


def test_identity_from_the_client_never_reaches_a_backend(jwt_gate, backend):
    forged = [(name, "forged") for name in [
        "Gatehouse-Identity", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username", "Client-Cert"]]
    assert jwt_gate.get("/orders/health", forged).status == 200
    assert b"forged" not in backend.requests[0].raw
    for name in ("Gatehouse_Identity", "X_Forwarded_User"):
        answer = jwt_gate.get("/orders/health", {name: "forged"})
        assert answer.status == 400 or b"forged" not in backend.requests[-1].raw


def test_credentials_are_not_forwarded(jwt_gate, backend):
    assert jwt_gate.get("/orders/1", ISSUER.bearer(**READ)).status == 200
    assert backend.requests[0].header("authorization") is None


def test_trace_never_echoes_an_assertion(open_gate, backend):
    answer = open_gate.fetch("TRACE", "/")
    assert answer.status == 400 and answer.reason == "http_request_error"
    assert backend.requests == []


def test_nominated_header_does_not_choose_the_service(make_gate, backend):
    """A header the client has stripped on the way decides nothing here either."""
    gate = make_gate({
        "services/beta.yaml": "match: { path: /, headers: { X-Beta: \"1\" } }\naccess: [{ allow: anyone }]\n",
        "services/main.yaml": "match: { path: / }\naccess: [{ deny: anyone }]\n",
    }, [backend], local={"beta": f'["{backend.address}"]', "main": f'["{backend.address}"]'})
    assert gate.get("/", {"X-Beta": "1"}).status == 200
    assert gate.get("/", {"X-Beta": "1", "Connection": "X-Beta"}).status == 403


def test_gate_does_not_start_without_its_identity_key(tmp_path):
    folder = tmp_path / "gate"
    write_files(folder, {
        "gatehouse.yaml": 'listen: [{ address: "127.0.0.1:0" }]\nadmin: { address: "127.0.0.1:0" }\n'
                          "identity: { key_file: key.pem }\nservices: { s: { access: [{ allow: anyone }] } }\n"
                          "environments: { local: { s: 127.0.0.1:1 } }\n",
        "key.pem": "no key at all\n"})
    done = run_command("run", folder)
    assert done.returncode == 2 and "identity" in done.stderr
