"""How OAuth clients find out where to get a token for a service: the challenge's resource_metadata and the document
it points to (RFC 9728), asked for as clients do, with curl."""

import json
import re
import subprocess

import pytest

import wire
from gate import PATIENCE, wait_until
from pki import Authority
from tls_wire import in_folder, listen
from tokens import Issuer

ISSUER = Issuer()
WELL_KNOWN = "/.well-known/oauth-protected-resource"

PROVIDERS = """\
providers:
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256] }
  bound:
    jwt: { issuer: "https://bound.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [ES256],
           sender_constrained: required }
  robots: { api_keys: { file: keys.yaml } }
"""

SERVICES = {
    "orders": """\
match: { host: api.example.com, path: /orders }
access:
  - { allow: anyone, on: GET /orders/health }
  - { allow: { provider: partners, scopes: [orders:read] }, on: GET /orders/** }
  - { allow: { provider: [partners, bound], scopes: [orders:write] }, on: "POST,PUT /orders/**" }
""",
    "inbox": """\
match: { host: api.example.com, path: /inbox, methods: POST }
access: [{ allow: { provider: bound } }]
""",
    "quiet": """\
match: { host: api.example.com, path: /quiet }
access: [{ allow: authenticated }]
resource_metadata: off
""",
    "machines": """\
match: { host: api.example.com, path: /machines }
access: [{ allow: { provider: robots } }]
""",
    "own": """\
match: { host: own.example.com, path: "/.well-known/oauth-protected-resource/api" }
access: [{ allow: anyone }]
""",
    "everything": """\
match: { host: all.example.com, path: / }
access: [{ allow: { provider: partners } }]
""",
    "public": """\
match: { host: public.example.com, path: / }
access: [{ allow: anyone }]
""",
    "api": """\
match: { host: own.example.com, path: /api }
access: [{ allow: { provider: partners } }]
""",
}


def files(more=None):
    return {"jwks.json": ISSUER.jwks(["ES256"]), "keys.yaml": "keys: []\n",
            **{f"services/{name}.yaml": text for name, text in SERVICES.items()}, **(more or {})}


def places(backend):
    return {name: f'["{backend.address}"]' for name in SERVICES}


@pytest.fixture(scope="module")
def gate(make_shared):
    make_gate, make_backend = make_shared
    backend = make_backend()
    return make_gate(files(), [backend], gate=PROVIDERS, local=places(backend))


class Curl:
    def __init__(self, port, scheme="http", options=()):
        self.port, self.scheme, self.options = port, scheme, list(options)

    def get(self, path, host="api.example.com", *more):
        """(status, headers, body); the name is resolved to the gate, as DNS would."""
        done = subprocess.run(
            ["curl", "-sS", "--path-as-is", "-i", "--max-time", str(PATIENCE), "--resolve",
             f"{host}:{self.port}:127.0.0.1", *self.options, *more, f"{self.scheme}://{host}:{self.port}{path}"],
            capture_output=True, timeout=2 * PATIENCE, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return int(first.split(" ")[1]), headers, body

    def document(self, path, host="api.example.com", *more):
        status, headers, body = self.get(WELL_KNOWN + path, host, *more)
        assert status == 200, (status, headers, body)
        assert dict(headers)["content-type"] == "application/json"
        return json.loads(body)


@pytest.fixture
def curl(gate):
    return Curl(gate.port)


def test_from_the_challenge_to_the_issuer(gate, curl):
    status, headers, _ = curl.get("/orders/7?page=2")
    assert status == 401
    challenges = [value for name, value in headers if name == "www-authenticate"]
    assert len(challenges) == 2 and challenges[0].startswith("Bearer ") and challenges[1].startswith("DPoP ")
    urls = {re.search(r'resource_metadata="([^"]*)"', challenge).group(1) for challenge in challenges}
    origin = f"http://api.example.com:{gate.port}"
    assert urls == {origin + WELL_KNOWN + "/orders/7"}
    document = curl.document("/orders/7")
    # RFC 9728 §3.3: identical to the URL that was used, or the client must not believe it.
    assert document == {
        "resource": origin + "/orders/7",
        "authorization_servers": ["https://id.partner.example", "https://bound.example"],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "orders",
        "tls_client_certificate_bound_access_tokens": False,
        "dpop_signing_alg_values_supported": ["ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256",
                                              "RS384", "RS512"],
        "dpop_bound_access_tokens_required": False,
    }


def test_of_every_path_that_is_a_services(gate, curl):
    for path in ("/orders", "/orders/", "/orders/a/b", "/orders/health"):
        assert curl.document(path)["resource"] == f"http://api.example.com:{gate.port}{path}"
    # Whoever only posts there is told as well, and that its tokens have to be bound.
    document = curl.document("/inbox")
    assert document["authorization_servers"] == ["https://bound.example"]
    assert document["dpop_bound_access_tokens_required"] is True and "scopes_supported" not in document


@pytest.mark.parametrize("path", ["", "/", "/nowhere", "/quiet", "/machines", "/ordersx", "x/orders", "/orders%2F7",
                                  "/orders;v=1"])
def test_where_there_is_nothing_to_tell(curl, path):
    status, headers, body = curl.get(WELL_KNOWN + path)
    assert status in (400, 404), (status, body)
    assert "resource" not in json.loads(body)


def test_of_another_host(gate, curl):
    assert curl.get(WELL_KNOWN + "/orders", "other.example.com")[0] == 404
    assert curl.get(WELL_KNOWN + "/api", "api.example.com")[0] == 404


def test_a_services_own_document_goes_first(gate, curl):
    before = len(gate.backends[0].requests)
    status, _, _ = curl.get(WELL_KNOWN + "/api", "own.example.com")
    assert status == 200 and gate.backends[0].requests[before].target == WELL_KNOWN + "/api"


def test_a_service_that_has_a_whole_host(gate, curl):
    origin = f"http://all.example.com:{gate.port}"
    assert curl.document("", "all.example.com")["resource"] == origin
    assert curl.document("/", "all.example.com")["resource"] == origin + "/"
    assert curl.document("/a?b=c", "all.example.com")["resource"] == origin + "/a?b=c"
    # One that takes no tokens has what is below /.well-known like everything else.
    before = len(gate.backends[0].requests)
    assert curl.get(WELL_KNOWN, "public.example.com")[0] == 200
    assert gate.backends[0].requests[before].target == WELL_KNOWN


def test_services_without_one_do_not_point_to_one(curl):
    for path in ("/quiet", "/machines"):
        status, headers, _ = curl.get(path)
        challenges = [value for name, value in headers if name == "www-authenticate"]
        assert status == 401 and not any("resource_metadata" in challenge for challenge in challenges)
        # Tokens count for the one and not for the other.
        assert len(challenges) == (2 if path == "/quiet" else 1)


def test_head_and_other_methods(gate, curl):
    status, headers, body = curl.get(WELL_KNOWN + "/orders", "api.example.com", "--head")
    assert status == 200 and body == b"" and int(dict(headers)["content-length"]) > 100
    assert dict(headers)["access-control-allow-origin"] == "*"
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert gate.fetch(method, WELL_KNOWN + "/orders", host="api.example.com").status == 404
    assert not [r for r in gate.backends[0].requests if r.target.startswith(WELL_KNOWN + "/orders")]


def test_over_tls_and_with_certificates(make_gate, backend, tmp_path, authority, server_certificate):
    mesh = Authority(tmp_path, "mesh", "Mesh CA")
    mine = mesh.issue("mine", ["mine.mesh"], client=True)
    for mode in ("none", "optional"):
        text = listen("certificate: certs/a.pem", "key: certs/a.key", f"client_cert: {mode}") + PROVIDERS
        gate = make_gate(files({"gatehouse.yaml": text + "  mesh: { client_cert: { ca: mesh.pem } }\n",
                                "mesh.pem": mesh.certificate.read_text(), **in_folder(a=server_certificate)}),
                         [backend], local=places(backend))
        curl = Curl(gate.port, "https", ["--insecure", "--cert", str(mine.certificate), "--key", str(mine.key)])
        document = curl.document("/inbox")
        assert document["resource"] == f"https://api.example.com:{gate.port}/inbox"
        assert document["tls_client_certificate_bound_access_tokens"] is (mode == "optional")
        # Where there are no certificates, bound means DPoP.
        assert document["dpop_bound_access_tokens_required"] is (mode == "none")
        _, headers, _ = Curl(gate.port, "https", ["--insecure"]).get("/orders")
        assert f'resource_metadata="https://api.example.com:{gate.port}{WELL_KNOWN}/orders"' in dict(headers)[
            "www-authenticate"]


def test_behind_a_trusted_proxy(make_gate, backend):
    text = """\
listen: [{ address: "127.0.0.1:0", trusted_proxies: [127.0.0.2/32] }]
admin: { address: "127.0.0.1:0" }
log: { access: { file: access.log } }
"""
    gate = make_gate(files({"gatehouse.yaml": text + PROVIDERS}), [backend], local=places(backend))
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}
    with wire.Client(gate.port, source="127.0.0.2") as proxy:
        document = proxy.get(WELL_KNOWN + "/orders", forwarded, host="api.example.com").json()
        assert document["resource"] == "https://shop.example/orders"
        challenge = proxy.get("/orders", forwarded, host="api.example.com").challenge()
        assert f'resource_metadata="https://shop.example{WELL_KNOWN}/orders"' in challenge
        broken = {"X-Forwarded-Host": 'shop.example", x="'}
        assert "resource_metadata" not in proxy.get("/orders", broken, host="api.example.com").challenge()
    with wire.Client(gate.port) as anybody:
        document = anybody.get(WELL_KNOWN + "/orders", forwarded, host="api.example.com").json()
        assert document["resource"] == "http://api.example.com/orders"


def test_a_changed_issuer_is_told_at_once(make_gate, backend):
    gate = make_gate(files(), [backend], gate=PROVIDERS, local=places(backend))
    text = (gate.folder / "gatehouse.yaml").read_text()
    gate.write("gatehouse.yaml", text.replace("https://id.partner.example", "https://new.example"))
    wait_until(lambda: "https://new.example" in
               gate.get(WELL_KNOWN + "/orders", host="api.example.com").json()["authorization_servers"], "the new issuer")
