"""The first minutes: the six-line gate of the README, and the folder form of the design."""

from gate import wait_until

SIX_LINES = """\
listen: [{ address: "127.0.0.1:0" }]
services:
  hello:
    match: { path: / }
    access: [{ allow: anyone }]
environments: { local: { hello: ["%s"] } }
"""


def test_six_line_gate(make_gate, backend):
    assert SIX_LINES.count("\n") == 6
    # The seventh line only keeps tests apart that run beside each other.
    gate = make_gate({"gatehouse.yaml": SIX_LINES % backend.address + 'admin: { address: "127.0.0.1:0" }\n'},
                     [backend])
    answer = gate.get("/some/path?x=1")
    assert answer.status == 200
    assert answer.json()["target"] == "/some/path?x=1"
    record = gate.record(answer)  # the default place of the access log is standard output
    assert record["service"] == "hello" and record["verdict"] == "allow"
    assert record["rule"].startswith("gatehouse.yaml:5:")


def test_folder_form(make_gate, make_backend):
    orders, shop = make_backend(name="orders"), make_backend(name="shop")
    gate = make_gate({
        "services/orders.yaml": """\
match: { host: api.example.com, path: /orders }
forward: { to: "${orders_backend}" }
access:
  - name: health is public
    allow: anyone
    on: GET /orders/health
""",
        "services/shop.yaml": "match: { host: shop.example.com, path: / }\naccess: [{ allow: anyone }]\n",
    }, [orders, shop], local={"orders_backend": f'["{orders.address}"]', "shop": f'["{shop.address}"]'})

    answer = gate.get("/orders/health", host="api.example.com")
    assert answer.status == 200 and answer.json()["backend"] == "orders"
    record = gate.record(answer)
    assert record["rule"] == "services/orders.yaml:4:5" and record["rule_name"] == "health is public"

    assert gate.get("/x", host="shop.example.com").json()["backend"] == "shop"
    assert gate.get("/orders/1", host="api.example.com").status in (401, 403)
    assert gate.get("/orders-old", host="api.example.com").reason == "no_route"
    assert gate.get("/orders/health", host="other.example.com").reason == "no_route"
    assert orders.paths() == ["/orders/health"]


def test_host_is_matched_without_case_or_port(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { host: api.example.com }\naccess: [{ allow: anyone }]\n"},
                     [backend], local={"s": f'["{backend.address}"]'})
    assert gate.get("/", host="API.Example.COM").status == 200
    assert gate.get("/", host="api.example.com:8080").status == 200
    assert gate.get("/", host="xapi.example.com").reason == "no_route"


def test_specificity_not_order_decides(make_gate, make_backend):
    names = ["wide", "exact", "wild", "param"]
    backends = {name: make_backend(name=name) for name in names}
    matches = {"wide": "{ path: / }", "exact": "{ path: /a/b }", "param": "{ path: '/a/{id}/c' }",
               "wild": "{ host: '*.example.com', path: / }"}
    gate = make_gate({f"services/{n}.yaml": f"match: {matches[n]}\naccess: [{{ allow: anyone }}]\n" for n in names},
                     backends.values(), local={n: f'["{backends[n].address}"]' for n in names})
    for host, path, expected in [
        ("x", "/", "wide"), ("x", "/a", "wide"), ("x", "/a/b", "exact"), ("x", "/a/b/d", "exact"),
        ("x", "/a/7/c", "param"), ("x", "/a/7/d", "wide"), ("www.example.com", "/zzz", "wild"),
        ("example.com", "/zzz", "wide"),
    ]:
        assert gate.get(path, host=host).json()["backend"] == expected, (host, path)


def test_forward_defaults_to_the_services_name_and_strip_prefix(make_gate, backend):
    gate = make_gate({
        "services/api.yaml": """\
match: { path: /api }
forward: { strip_prefix: /api }
access: [{ allow: anyone }]
""" }, [backend], local={"api": f'["{backend.address}"]'})
    assert gate.get("/api/users?x").json()["target"] == "/users?x"
    assert gate.get("/api").json()["target"] == "/"


def test_headers_set_added_and_removed(make_gate, make_backend):
    def script(call):
        call.respond(200, [("Server", "secret/1.0"), ("X-Kept", "1"),
                           ("X-Seen", call.request.header("x-team", "none")),
                           ("X-Seen-Debug", call.request.header("x-debug", "none"))])

    backend = make_backend(script)
    gate = make_gate({"services/s.yaml": """\
match: { path: / }
headers:
  request: { set: { X-Team: blue }, remove: [X-Debug] }
  response: { add: { X-Frame-Options: DENY }, remove: [Server] }
access: [{ allow: anyone }]
"""}, [backend], local={"s": f'["{backend.address}"]'})
    answer = gate.get("/", {"X-Team": "red", "X-Debug": "1"})
    assert answer.header("x-seen") == "blue" and answer.header("x-seen-debug") == "none"
    assert answer.header("x-frame-options") == "DENY" and answer.header("x-kept") == "1"
    assert answer.header("server") is None


def test_host_preserved_or_backends(make_gate, backend):
    gate = make_gate({
        "services/kept.yaml": "match: { path: /kept }\nforward: { host: preserve }\naccess: [{ allow: anyone }]\n",
        "services/own.yaml": "match: { path: /own }\nforward: { host: backend }\naccess: [{ allow: anyone }]\n",
    }, [backend], local={"kept": f'["{backend.address}"]', "own": f'["{backend.address}"]'})
    assert dict(gate.get("/kept", host="a.example").json()["headers"])["Host"] == "a.example"
    assert dict(gate.get("/own", host="a.example").json()["headers"])["Host"] == backend.address


def test_disabled_service_is_out(make_gate, backend):
    service = "match: { path: / }\naccess: [{ allow: anyone }]\n"
    gate = make_gate({"services/s.yaml": service + "enabled: false\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})
    assert gate.get("/").reason == "no_route"
    gate.write("services/s.yaml", service)
    wait_until(lambda: gate.get("/").status == 200, "the service to be enabled")


def test_value_from_the_environment_of_the_process(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n"}, [backend],
                     local={"s": "{ env: SHOP_ADDRESS }"}, environ={"SHOP_ADDRESS": backend.address})
    assert gate.get("/").status == 200
