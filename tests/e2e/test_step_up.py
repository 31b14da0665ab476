"""Rules that ask how strong and how recent a login was, and what programs are told that lack it (RFC 9470). What
browsers do then stands in the tests of logins."""

import time

import pytest

from gate import run_command
from proofs import Holder
from tokens import Issuer

ISSUER = Issuer()

PROVIDERS = """\
providers:
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256] }
  robots: { api_keys: { file: keys.yaml } }
"""

SERVICE = """\
match: { path: / }
access:
  - { name: strong, allow: { provider: partners, acr: ["urn:mfa", "urn:hw"] }, on: GET /strong }
  - { name: by two, allow: { provider: partners, amr: [pwd, otp] }, on: GET /two }
  - { name: recent, allow: { provider: partners, max_age: 15m }, on: GET /recent }
  - { name: all, allow: { acr: "urn:hw", max_age: 1h, scopes: [pay] }, on: POST /pay }
  - { name: anybody known, allow: authenticated, on: "GET /guarded/**" }
  - { name: not without, deny: { not: { acr: "urn:hw" } }, on: "GET /guarded/**" }
  - { name: not by text message, deny: { amr: sms }, on: "GET /guarded/**" }
tests:
  - { as: { provider: partners, acr: "urn:mfa" }, request: GET /strong, expect: allow by "strong" }
  - { as: { provider: partners, amr: [otp, pwd] }, request: GET /two, expect: allow by "by two" }
  - { as: { provider: partners, amr: [pwd] }, request: GET /two, expect: deny }
  - { as: { provider: partners, auth_age: 15m }, request: GET /recent, expect: allow by "recent" }
  - { as: { provider: partners, auth_age: 16m }, request: GET /recent, expect: deny }
  - { as: { provider: partners }, request: GET /recent, expect: deny }
  - { as: { provider: partners, acr: "urn:hw", auth_age: 5m, scopes: [pay] }, request: POST /pay, expect: allow by "all" }
  - { as: { provider: partners, acr: "urn:hw" }, request: GET /guarded/x, expect: allow by "anybody known" }
  - { as: { provider: partners, acr: "urn:hw", amr: [sms] }, request: GET /guarded/x, expect: deny by "not by text message" }
  - { as: { provider: partners }, request: GET /guarded/x, expect: deny by "not without" }
"""


@pytest.fixture(scope="module")
def gate(make_shared):
    make_gate, make_backend = make_shared
    backend = make_backend()
    gate = make_gate({"services/s.yaml": SERVICE, "jwks.json": ISSUER.jwks(["ES256"])}, [backend], gate=PROVIDERS,
                     local={"s": f'["{backend.address}"]'}, start=False)
    gate.key = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci").stdout.split()[0]
    return gate.start()


def login(ago=0, **claims):
    return ISSUER.bearer("ES256", **{"auth_time": int(time.time()) - ago, **claims})


STRONG_ENOUGH = [
    ("GET", "/strong", dict(acr="urn:mfa")),
    ("GET", "/strong", dict(acr="urn:hw")),
    ("GET", "/two", dict(amr=["pwd", "otp", "geo"])),
    ("GET", "/recent", dict(ago=14 * 60)),
    ("POST", "/pay", dict(acr="urn:hw", ago=600, scope="pay")),
    ("GET", "/guarded/x", dict(acr="urn:hw", amr=["hwk"])),
]


@pytest.mark.parametrize("method, path, claims", STRONG_ENOUGH)
def test_a_login_that_is_enough(gate, method, path, claims):
    answer = gate.fetch(method, path, login(**claims), b"" if method == "POST" else None)
    assert answer.status == 200, answer


TOO_WEAK = [
    ("GET", "/strong", dict(), 'acr_values="urn:mfa urn:hw"'),
    ("GET", "/strong", dict(acr="urn:pwd"), 'acr_values="urn:mfa urn:hw"'),
    ("GET", "/strong", dict(acr=["urn:mfa"]), 'acr_values="urn:mfa urn:hw"'),
    ("GET", "/two", dict(amr=["pwd"]), ""),
    ("GET", "/two", dict(amr="pwd otp"), ""),
    ("GET", "/recent", dict(ago=16 * 60), 'max_age="900"'),
    ("GET", "/recent", dict(ago=-600), 'max_age="900"'),  # of a clock that is far ahead
    ("GET", "/recent", dict(auth_time=None), 'max_age="900"'),
    ("GET", "/recent", dict(auth_time=str(int(time.time()))), 'max_age="900"'),
    ("POST", "/pay", dict(acr="urn:mfa", scope="pay"), 'acr_values="urn:hw", max_age="3600"'),
    ("POST", "/pay", dict(acr="urn:hw", scope="pay", ago=7200), 'acr_values="urn:hw", max_age="3600"'),
]


@pytest.mark.parametrize("method, path, claims, asked", TOO_WEAK)
def test_a_login_that_is_not_enough(gate, method, path, claims, asked):
    before = len(gate.backends[0].requests)
    answer = gate.fetch(method, path, login(**claims), b"" if method == "POST" else None)
    assert answer.status == 401 and answer.reason == "step_up_required", answer
    challenge = answer.challenge()
    assert 'error="insufficient_user_authentication"' in challenge and asked in challenge
    assert ("acr_values" in challenge) == ("acr_values" in asked) and ("max_age" in challenge) == ("max_age" in asked)
    assert "insufficient" not in answer.challenge("DPoP")
    record = gate.record(answer)
    assert record["verdict"] == "deny" and record["identity"]["subject"] == "alice"
    assert len(gate.backends[0].requests) == before


def test_what_lacks_more_than_a_login_is_told_so(gate):
    scope = gate.fetch("POST", "/pay", login(acr="urn:mfa"), b"")
    assert scope.status == 403 and scope.reason == "scope_insufficient"
    other = gate.get("/strong", {"X-Api-Key": gate.key})
    assert other.status == 403 and other.reason == "rule_denied"
    nobody = gate.get("/strong")
    assert nobody.status == 401 and nobody.reason == "credential_missing" and "acr_values" not in nobody.challenge()


def test_a_deny_for_all_but_the_strong(gate):
    for headers in (login(), login(acr="urn:mfa"), {}, {"X-Api-Key": gate.key}):
        answer = gate.get("/guarded/x", headers)
        assert answer.status == 403 and answer.reason == "rule_denied", answer
        assert answer.challenge() is None
    assert gate.get("/guarded/x", login(acr="urn:hw", amr=["sms"])).status == 403
    assert gate.get("/guarded/x", login(acr="urn:hw")).status == 200


def test_a_bound_token_is_told_in_its_own_scheme(gate):
    holder = Holder()
    token = ISSUER.token("ES256", cnf=holder.confirmation)
    answer = gate.get("/strong", holder.headers("http://gate.test/strong", token))
    assert answer.reason == "step_up_required"
    assert "insufficient_user_authentication" in answer.challenge("DPoP") and "error" not in answer.challenge()


def test_its_own_tests_pass(gate):
    tested = run_command("test", gate.folder)
    assert tested.returncode == 0 and "10 tests passed; 7 of 7 rules reached" in tested.stdout, tested


def test_explain(gate):
    def explain(caller):
        return run_command("explain", gate.folder, "GET", "/recent", "--as", "provider=partners " + caller)

    assert explain("auth_age=5m").returncode == 0
    late = explain("auth_age=1h acr=urn:mfa")
    assert late.returncode == 1 and "step_up_required" in late.stdout, late
    assert "needs a login of the last 900 s; the caller's was 3600 s ago" in late.stdout
    assert "does not say when it was" in explain("amr=pwd").stdout
