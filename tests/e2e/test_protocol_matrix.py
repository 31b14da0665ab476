"""Access is one thing whatever carries it: every behaviour over every way a client may speak and every way a backend
may, with the same status, reason and record."""

import collections

import pytest

import h2wire
import wire
from backend import Backend
from fronts import LISTENERS, TLS_LISTENER
from gate import run_command
from h2_backend import H2Backend, H2Call
from h2wire import client_tls
from tokens import Issuer

ISSUER = Issuer()

GATE = """\
providers:
  robots: { api_keys: { file: keys.yaml } }
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256] }
access:
  - { name: nobody anywhere, deny: anyone, on: "* /shop.Orders/Banned" }
"""

SERVICE = """\
match: {{ path: /shop.Orders }}
forward: {{ to: "${{orders}}", protocol: {protocol} }}
access:
  - {{ name: public, allow: anyone, on: "* /shop.Orders/Public" }}
  - {{ name: with a key, allow: {{ provider: robots, scopes: [call] }}, on: "* /shop.Orders/Keyed" }}
  - {{ name: partners read, allow: {{ provider: partners, scopes: [read] }}, on: "* /shop.Orders/Read" }}
  - {{ name: never mallory, deny: {{ subjects: [mallory] }} }}
  - {{ name: watch, deny: anyone, on: "* /shop.Orders/Watched", observe: true }}
  - {{ name: watched, allow: anyone, on: "* /shop.Orders/Watched" }}
"""
SMALL = """\
match: {{ path: /shop.Small }}
forward: {{ to: "${{orders}}", protocol: {protocol} }}
limits: {{ body: 100 }}
access: [{{ name: small, allow: anyone }}]
"""
DEAD = """\
match: {{ path: /shop.Dead }}
forward: {{ to: "${{dead}}", protocol: {protocol} }}
access: [{{ name: dead, allow: anyone }}]
"""

# What is asked, and what must come of it: the status, the gRPC status, and what the record says. headers is a
# function of the gate.
Behaviour = collections.namedtuple("Behaviour", "path headers status grpc reason verdict rule size",
                                   defaults=(None, None, None, 10))


def nothing(gate):
    return {}


def key(gate):
    return {"X-Api-Key": gate.key}


def token(**claims):
    return lambda gate: ISSUER.bearer("ES256", **claims)


def both(gate):
    return {**key(gate), **ISSUER.bearer("ES256", scope="read")}


BEHAVIOURS = {
    "public": Behaviour("/shop.Orders/Public", nothing, 200, 0, None, "allow", "public"),
    "no credential": Behaviour("/shop.Orders/Keyed", nothing, 401, 16, "credential_missing", "deny"),
    "a good key": Behaviour("/shop.Orders/Keyed", key, 200, 0, None, "allow", "with a key"),
    "a key that is none": Behaviour("/shop.Orders/Keyed", lambda gate: {"X-Api-Key": "gh_nonsense"}, 401, 16,
                                    "credential_invalid", "deny"),
    "a revoked key": Behaviour("/shop.Orders/Public", lambda gate: {"X-Api-Key": gate.revoked}, 401, 16,
                               "credential_invalid", "deny"),
    "a key for another rule": Behaviour("/shop.Orders/Read", key, 403, 7, "rule_denied", "deny"),
    "a good token": Behaviour("/shop.Orders/Read", token(scope="read"), 200, 0, None, "allow", "partners read"),
    "an expired token": Behaviour("/shop.Orders/Read", token(scope="read", exp=1), 401, 16, "credential_invalid",
                                  "deny"),
    "a token of too little scope": Behaviour("/shop.Orders/Read", token(scope="write"), 403, 7,
                                             "scope_insufficient", "deny"),
    "a bad token where anyone may": Behaviour("/shop.Orders/Public", token(aud="billing"), 401, 16,
                                              "credential_invalid", "deny"),
    "two credentials": Behaviour("/shop.Orders/Read", both, 400, 16, "credential_conflict", "deny"),
    "a denied subject": Behaviour("/shop.Orders/Read", token(scope="read", sub="mallory"), 403, 7, "rule_denied",
                                  "deny", "never mallory"),
    "a denial of the gate": Behaviour("/shop.Orders/Banned", key, 403, 7, "rule_denied", "deny", "nobody anywhere"),
    "a rule that only watches": Behaviour("/shop.Orders/Watched", nothing, 200, 0, None, "allow", "watched"),
    "nowhere": Behaviour("/shop.Nothing/Method", nothing, 404, 12, "no_route"),
    "an ambiguous path": Behaviour("/shop.Orders/a%2Fb", nothing, 400, 13, "path_refused"),
    "a path that climbs": Behaviour("/shop.Small/../shop.Orders/Public", nothing, 200, 0, None, "allow", "public"),
    "a body that is too large": Behaviour("/shop.Small/Put", nothing, 413, 8, "request_body_too_large", "allow",
                                          "small", 200),
    "a backend that is down": Behaviour("/shop.Dead/Method", nothing, 502, 14, "connection_refused", "allow", "dead"),
}

FRONTS = ["h1", "h2", "tls-h1", "tls-h2", "grpc", "tls-grpc"]


def answer(call):
    """A little of gRPC where it is spoken."""
    call.read_body()
    if not call.request.header("content-type", "").startswith("application/grpc"):
        return call.describe()
    fields, end = [("content-type", "application/grpc")], [("grpc-status", "0")]
    if isinstance(call, H2Call):
        return call.respond(200, fields, b"\0\0\0\0\0", end)
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 0\r\n\r\n")


@pytest.fixture(scope="module", params=["http1", "http2"])
def gate(request, make_shared, server_certificate, closed_port):
    make_gate, _ = make_shared
    backend = (H2Backend if request.param == "http2" else Backend)(answer)
    files = {f"services/{name}.yaml": text.format(protocol=request.param)
             for name, text in [("orders", SERVICE), ("small", SMALL), ("dead", DEAD)]}
    gate = make_gate({**files, "gatehouse.yaml": LISTENERS % (TLS_LISTENER % server_certificate.pair) + GATE,
                      "jwks.json": ISSUER.jwks(["ES256"])}, [backend], start=False,
                     local={"orders": f'"{backend.address}"', "dead": f'"127.0.0.1:{closed_port}"'})

    def new_key():
        return run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci", "--scopes",
                           "call").stdout.split()[0]
    gate.revoked = new_key()
    (gate.folder / "keys.yaml").unlink()
    gate.key = new_key()
    yield gate.start()
    backend.stop()


def ask(gate, front, path, headers, body):
    """One request; gives (status, grpc-status or None, reason the client is told or None, id)."""
    is_tls, is_grpc = front.startswith("tls-"), front.endswith("grpc")
    port = gate.port_of(is_tls)
    if front.endswith("h1"):
        with wire.Client(port) as client:
            if is_tls:
                client.socket = client_tls(alpn=("http/1.1",)).wrap_socket(client.socket, server_hostname="gate.test")
            got = client.request("POST", path, headers, body)
    else:
        if is_grpc:
            headers = {**headers, "content-type": "application/grpc", "te": "trailers"}
            body = b"\0" + len(body).to_bytes(4, "big") + body
        # Announced, as HTTP/1 has it, so that a body too large is refused before any of it goes on.
        headers = {**headers, "content-length": len(body)}
        with h2wire.Client(port, tls=client_tls() if is_tls else None) as client:
            got = client.request("POST", path, headers, body)
    identifier = got.header("x-request-id")
    if not is_grpc:
        return got.status, None, None if got.status == 200 else got.reason, identifier
    assert got.status == 200 and got.header("content-type").startswith("application/grpc"), got
    return None, int(dict([*got.headers, *got.trailers])["grpc-status"]), None, identifier


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(gate, name, front):
    expected = BEHAVIOURS[name]
    heard = len(gate.backends[0].requests)
    status, grpc, told, identifier = ask(gate, front, expected.path, expected.headers(gate), bytes(expected.size))
    if front.endswith("grpc"):
        assert grpc == expected.grpc
    else:
        assert status == expected.status and told == expected.reason

    record = gate.record(identifier)
    assert record.get("reason") == expected.reason
    assert record.get("verdict") == expected.verdict
    assert record.get("rule_name") == expected.rule
    assert record["method"] == "POST" and record["host"] == "gate.test"
    # No byte without a recorded allow, and one request where there was one. That a body is too large shows only on
    # its way when no length was announced.
    reached = len(gate.backends[0].requests) - heard
    assert reached == (expected.status == 200) or (expected.status == 413 and reached == 1)


def essence(record):
    """What must not depend on the protocol."""
    names = ["host", "path", "service", "route", "identity", "rule", "rule_name", "verdict", "observed", "reason",
             "detail", "method"]
    return {name: record[name] for name in names if name in record}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_records_are_the_same(gate, name):
    """The records of the same behaviour differ in nothing that access decides."""
    expected = BEHAVIOURS[name]
    asked = {front: ask(gate, front, expected.path, expected.headers(gate), bytes(expected.size))[-1]
             for front in FRONTS}
    found = {front: essence(gate.record(identifier)) for front, identifier in asked.items()}
    assert all(one == found["h1"] for one in found.values()), found
    if name == "a rule that only watches":
        assert found["h1"]["observed"]["verdict"] == "deny"
