"""Tokens that only their issuer can read: asked once, remembered for as long as is right, and never guessed."""

import concurrent.futures
import time

import pytest

from gate import wait_until
from identity import Client, post_form
from rogue import client_of, send_json
import wire

FILE = """\
providers:
  legacy:
    introspection:
      url: "%(url)s"
      client_id: "%(client_id)s"
      client_secret: "%(secret)s"
      audience: ["%(audience)s"]
      subject_claim: client_id
%(more)s"""

SERVICE = """\
match: { path: / }
access:
  - { name: read, allow: { provider: legacy, scopes: ["orders:read"] }, on: GET /orders }
  - { name: write, allow: { provider: legacy, scopes: ["orders:write"] }, on: POST /orders }
  - { name: open, allow: anyone, on: GET /open }
"""


def bearer(token):
    return {"Authorization": "Bearer " + token}


@pytest.fixture
def make_orders(make_gate, backend):
    """make_orders(url, client) starts a gate whose tokens are checked there."""
    def make(url, client, audience="https://orders.example", more="", gate=""):
        providers = FILE % {"url": url, "client_id": client.client_id, "secret": client.secret, "audience": audience,
                            "more": "".join(f"      {line}\n" for line in more.splitlines())}
        return make_gate({"services/orders.yaml": SERVICE}, [backend], gate=providers + gate,
                         local={"orders": f'["{backend.address}"]'})
    return make


@pytest.fixture
def orders(make_orders, provider):
    return make_orders(provider.metadata()["introspection_endpoint"], provider.add(Client()))


def test_token_of_the_provider(orders, provider, backend):
    token = provider.token(scope="orders:read")
    for _ in range(3):
        answer = orders.get("/orders", bearer(token))
        assert answer.status == 200
    assert provider.count("introspection") <= 2  # at most once a worker
    record = orders.record(answer)
    assert record["identity"]["provider"] == "legacy" and record["verdict"] == "allow"
    assert backend.requests[0].header("authorization") is None
    denied = orders.fetch("POST", "/orders", bearer(token), b"x")
    assert denied.status == 403 and denied.reason == "scope_insufficient"
    assert any('scope="orders:write"' in challenge for challenge in denied.all("www-authenticate"))


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "A" * 43])
def test_token_nobody_issued(orders, token):
    answer = orders.get("/orders", bearer(token))
    assert answer.status == 401 and answer.reason == "credential_invalid"
    assert any('error="invalid_token"' in challenge for challenge in answer.all("www-authenticate"))


def test_token_for_somebody_else(orders, provider):
    """Active, but not for this audience."""
    answer = orders.get("/orders", bearer(provider.token(resource="https://stock.example", scope="stock:read")))
    assert answer.status == 401 and answer.reason == "credential_invalid"


def test_no_token(orders, provider):
    answer = orders.get("/orders")
    assert answer.status == 401 and answer.reason == "credential_missing"
    assert orders.get("/open").status == 200
    assert provider.count("introspection") == 0


def test_revoked(make_orders, provider):
    """Within what `cache` allows."""
    asker = provider.add(Client())
    gate = make_orders(provider.metadata()["introspection_endpoint"], asker, more="cache: 1s")
    owner = provider.add(Client())
    token = provider.token(owner)
    assert gate.get("/orders", bearer(token)).status == 200
    assert post_form(provider.metadata()["revocation_endpoint"], owner, token=token)[0] == 200
    wait_until(lambda: gate.get("/orders", bearer(token)).status == 401, "the token's end")


def test_ask_every_time(make_orders, provider):
    gate = make_orders(provider.metadata()["introspection_endpoint"], provider.add(Client()), more="cache: 0s")
    token = provider.token()
    for _ in range(3):
        assert gate.get("/orders", bearer(token)).status == 200
    assert provider.count("introspection") == 3


def test_expired_before_the_cache_is(make_orders, provider):
    gate = make_orders(provider.metadata()["introspection_endpoint"], provider.add(Client()), more="cache: 10m")
    token = provider.token(provider.add(Client(access_token_seconds=3)))
    assert gate.get("/orders", bearer(token)).status == 200
    time.sleep(3)
    wait_until(lambda: gate.get("/orders", bearer(token)).status == 401, "the token's end", timeout=40)


def test_thousand_first_requests_ask_once(orders, provider):
    """All at once with one token that nobody has seen: the issuer is asked once."""
    token = provider.token()
    provider.trouble("introspection", delay_ms=1500)
    clients = [orders.client() for _ in range(1000)]
    for client in clients:
        client.send(wire.head("GET", "/orders", bearer(token)))
    answers = [client.read_response() for client in clients]
    for client in clients:
        client.close()
    assert {answer.status for answer in answers} == {200}
    assert provider.count("introspection") == 1


def test_different_tokens_are_asked_for_side_by_side(orders, provider):
    tokens = [provider.token() for _ in range(8)]
    provider.trouble("introspection", delay_ms=400)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda token: orders.get("/orders", bearer(token)), tokens))
    assert {answer.status for answer in answers} == {200} and provider.count("introspection") == 8


@pytest.mark.parametrize("kind", ["error", "cut", "html", "half"])
def test_trouble_lets_nobody_in(orders, provider, backend, kind):
    provider.trouble("introspection", kind)
    answer = orders.get("/orders", bearer(provider.token()))
    assert answer.status == 503 and answer.reason == "introspection_unavailable"
    assert orders.record(answer)["phase"] == "authenticate" and not backend.requests
    assert orders.get("/open").status == 200
    # By itself, once the provider is well again.
    provider.trouble("introspection")
    token = provider.token()
    wait_until(lambda: orders.get("/orders", bearer(token)).status == 200, "the provider's recovery")


def test_known_tokens_outlive_trouble(make_orders, provider):
    gate = make_orders(provider.metadata()["introspection_endpoint"], provider.add(Client()), more="cache: 5m")
    token = provider.token()
    for _ in range(20):  # on both workers
        assert gate.get("/orders", bearer(token)).status == 200
    provider.trouble("introspection", "error")
    assert gate.get("/orders", bearer(token)).status == 200
    assert gate.get("/orders", bearer(provider.token())).status == 503


# --- Answers that say too little or too much -----------------------------------------------------------------------

GOOD = {"active": True, "client_id": "alice", "sub": "alice", "aud": "orders", "iss": "https://id.example",
        "scope": "orders:read"}


ANSWERS = [
    ({}, 200),
    ({"aud": ["x", "orders"]}, 200),
    ({"exp": 4102444800}, 200),
    ({"token_type": "bearer"}, 200),
    ({"active": False}, 401),
    ({"active": "true"}, 503),
    ({"active": 1}, 503),
    ({"active": None}, 503),
    ({"aud": None}, 401),
    ({"aud": "other"}, 401),
    ({"aud": "orders "}, 401),
    ({"exp": 1}, 401),
    ({"nbf": 4102444800}, 401),
    ({"iss": "https://other.example"}, 401),
    ({"token_type": "N_A"}, 401),
    ({"cnf": {"jkt": "x"}}, 401),
    ({"client_id": None, "sub": None}, 401),
    ({"scope": None}, 403),
]


def test_answers(make_orders, rogue):
    answers = {f"token-{n}": (changes, status) for n, (changes, status) in enumerate(ANSWERS)}

    def script(call):
        changes, _ = answers[rogue.forms("/introspect")[-1]["token"]]
        send_json(call, {name: value for name, value in {**GOOD, **changes}.items() if value is not None})
    rogue.scripts["/introspect"] = script
    gate = make_orders(rogue.issuer + "/introspect", Client(), "orders", 'issuer: "https://id.example"')
    for token, (changes, status) in answers.items():
        # After an answer that cannot be read the issuer is left alone for a moment.
        got = wait_until(lambda: settled(gate.get("/orders", bearer(token)), status), "another answer")
        assert got.status == status, (changes, got)


def settled(answer, expected):
    return answer if expected == 503 or answer.status != 503 else None


def test_what_the_issuer_is_asked(make_orders, rogue):
    rogue.scripts["/introspect"] = lambda call: send_json(call, GOOD)
    client = Client("gate:way", "s p&ce%")
    gate = make_orders(rogue.issuer + "/introspect", client, "orders")
    assert gate.get("/orders", bearer("to+k~e._n/-=")).status == 200
    [request] = rogue.asked("/introspect")
    assert request.method == "POST"
    assert request.header("content-type") == "application/x-www-form-urlencoded"
    assert "to+k~e._n/-=" in rogue.forms("/introspect")[0]["token"]
    assert client_of(request) == "gate:way"


def test_answer_counts_for_its_token_and_service_alone(make_orders, rogue):
    """What was learnt of one token is not said of another, nor does a scope of one place open another."""
    scopes = {"reader": "orders:read", "writer": "orders:write"}

    def script(call):
        token = rogue.forms("/introspect")[-1]["token"]
        send_json(call, {**GOOD, "scope": scopes[token]})
    rogue.scripts["/introspect"] = script
    gate = make_orders(rogue.issuer + "/introspect", Client(), "orders")
    for _ in range(4):
        assert gate.get("/orders", bearer("reader")).status == 200
        assert gate.fetch("POST", "/orders", bearer("reader"), b"x").status == 403
        assert gate.get("/orders", bearer("writer")).status == 403
        assert gate.fetch("POST", "/orders", bearer("writer"), b"x").status == 200
