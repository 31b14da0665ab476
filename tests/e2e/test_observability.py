"""What the gate says about its traffic: the record's shape, metrics, health, the API, and the answers it makes
itself, which all name the same reason."""

import datetime
import json
import os
import pathlib
import re

import pytest

import wire
from backend import unused_port
from conftest import GATE_FILE, OPEN_SERVICE
from gate import wait_until

KEYS = {"time", "id", "generation", "client", "listener", "method", "host", "path", "service", "route", "identity",
        "rule", "rule_name", "verdict", "reason", "detail", "phase", "status", "bytes_received", "bytes_sent",
        "duration_ms", "phases_ms", "attempts", "protocol", "user_agent", "observed"}
PHASES = {"receive", "route", "authenticate", "authorise", "connect", "send", "wait", "relay"}


def test_record_of_a_success(open_gate, backend):
    answer = open_gate.fetch("POST", "/some/path?secret=1", {"User-Agent": 'te"st/1\\'}, b"12345")
    record = open_gate.record(answer)
    assert set(record) <= KEYS, set(record) - KEYS
    assert datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).tzinfo
    assert record["client"].startswith("127.0.0.1")
    assert record["method"] == "POST" and record["host"] == "gate.test" and record["path"] == "/some/path"
    assert "secret" not in json.dumps(record)  # the query is never logged
    assert record["service"] == "hello" and record["route"].startswith("/")
    assert record["rule"] == "services/hello.yaml:3:5" and record["rule_name"] == "open"
    assert record["verdict"] == "allow" and "reason" not in record
    assert record["status"] == 200 and record["protocol"] in ("HTTP/1.1", "1.1")
    assert record["bytes_received"] >= 5 and record["bytes_sent"] >= len(answer.body)
    assert record["user_agent"] == 'te"st/1\\'
    assert record["duration_ms"] > 0
    assert set(record["phases_ms"]) <= PHASES and {"receive", "connect", "wait"} <= set(record["phases_ms"])
    attempt, = record["attempts"]
    assert attempt["endpoint"] == backend.address and attempt["connection"] == "new"
    assert attempt["connect_ms"] >= 0 and attempt["wait_ms"] >= 0


def test_record_of_a_denial(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ name: shut, deny: anyone }]\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})
    answer = gate.get("/")
    problem = answer.problem()
    assert problem["status"] == 403 and problem["title"] == "Access is denied"
    record = gate.record(answer)
    assert record["verdict"] == "deny" and record["reason"] == "rule_denied" and record["phase"] == "authorise"
    assert record["rule_name"] == "shut"
    assert "connect" not in record["phases_ms"] and not record.get("attempts")
    # What a client may learn does not include the rule.
    assert b"shut" not in answer.body and b"services/" not in answer.body


def test_every_answer_of_our_own_is_a_problem(open_gate, make_gate):
    gate = make_gate({"services/s.yaml": "match: { path: /dead }\naccess: [{ allow: anyone }]\n"},
                     local={"s": f'["127.0.0.1:{unused_port()}"]'})
    for target, reason in [("/dead", "connection_refused"), ("/nothing", "no_route"), ("/dead/a%2fb", "path_refused")]:
        answer = gate.get(target)
        assert answer.reason == reason
        assert gate.record(answer)["reason"] == reason
    with gate.client() as client:
        answer = client.request("HEAD", "/nothing")
        assert answer.status == 404 and answer.header("proxy-status").startswith("gatehouse; error=no_route")
        assert client.get("/nothing").status == 404  # the connection goes on


def test_request_ids_are_unique_and_our_own(open_gate, backend):
    ids = [open_gate.get("/", {"X-Request-Id": "chosen-by-client"}).header("x-request-id") for _ in range(10)]
    assert len(set(ids)) == 10 and "chosen-by-client" not in ids
    assert [r.all("x-request-id") for r in backend.requests] == [[i] for i in ids]


def test_traceparent_is_made(open_gate, backend):
    open_gate.get("/")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", backend.requests[0].header("traceparent"))


def test_metrics(open_gate):
    for _ in range(5):
        open_gate.get("/x")
    open_gate.get("/x%2f")
    open_gate.balance()
    name = "http_server_request_duration_seconds"
    wait_until(lambda: open_gate.metric(name + "_count", http_response_status_code="200") == 5, "the counters")
    metrics = open_gate.metrics()
    buckets = {dict(labels)["le"] for (series, labels) in metrics if series == name + "_bucket"}
    assert buckets == {"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5",
                       "7.5", "10", "+Inf"}
    for (series, labels), value in metrics.items():
        labels = dict(labels)
        if series == name + "_bucket" and labels["le"] == "+Inf":
            rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            assert metrics[(name + "_count", rest)] == value
        assert "/x" not in labels.values(), "a path that a client chose is a label"
    assert open_gate.metric("http_client_request_duration_seconds_count") == 5
    assert open_gate.metric(name + "_count", error_type="path_refused") == 1
    assert open_gate.metric("gatehouse_config_generation") >= 1
    assert open_gate.metric("gatehouse_config_last_reload_success_timestamp_seconds") > 1.6e9


def test_method_label_is_bounded(open_gate):
    open_gate.fetch("BREW", "/")
    open_gate.balance()
    wait_until(lambda: open_gate.metric("http_server_request_duration_seconds_count",
                                        http_request_method="_OTHER") == 1, "the counter")
    assert open_gate.metric("http_server_request_duration_seconds_count", http_request_method="BREW") == 0


def test_health_and_readiness(open_gate):
    assert open_gate.admin("/healthz")[0] == 200
    assert open_gate.admin("/readyz")[0] == 200
    assert open_gate.admin("/nothing")[0] == 404


def test_admin_is_not_on_the_public_listener(open_gate, backend):
    for path in ("/metrics", "/healthz", "/api/v1/status"):
        assert open_gate.get(path).json()["target"] == path  # the service's, not ours
    assert len(backend.requests) == 3


def test_status_and_services(open_gate):
    status = open_gate.api("status")
    assert status["generation"] >= 1
    services = open_gate.api("services")
    services = services["services"] if isinstance(services, dict) else services
    assert [s["name"] for s in services] == ["hello"]


def test_admin_refuses_what_is_not_a_read(open_gate):
    for method in ("POST", "DELETE", "PUT"):
        assert wire.fetch(open_gate.admin_port, method, "/api/v1/status", host="127.0.0.1").status in (404, 405)


def test_access_log_off(make_gate, backend):
    gate = make_gate({
        "gatehouse.yaml": 'listen: [{ address: "127.0.0.1:0" }]\nadmin: { address: "127.0.0.1:0" }\n'
                          "log: { access: off }\n",
        "services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n",
    }, local={"s": f'["{backend.address}"]'}, balance=False)
    assert gate.get("/").status == 200
    wait_until(lambda: gate.metric("gatehouse_exchanges_recorded_total") == 1, "the record")
    gate.stop()  # what waits to be written has been written then
    assert gate.records() == []


@pytest.mark.parametrize("value", ['"', "\\", "\t", "\x7f", "é", "</script>", '","verdict":"allow'])
def test_what_clients_send_cannot_forge_a_record(open_gate, value):
    answer = open_gate.get("/", {"User-Agent": f"a{value}b"})
    if answer.status == 200:
        assert open_gate.record(answer)["verdict"] == "allow"
        assert len(open_gate.records()) == 1


def test_a_log_reader_that_leaves_takes_nobody_with_it(make_gate, backend):
    gate = make_gate({"gatehouse.yaml": GATE_FILE.replace("{ file: access.log }", "stdout"),
                      "services/hello.yaml": OPEN_SERVICE}, [backend], local={"hello": f'["{backend.address}"]'},
                     start=False, balance=False)
    os.mkfifo(gate.stdout)
    reader = os.open(gate.stdout, os.O_RDONLY | os.O_NONBLOCK)
    gate.start()
    os.close(reader)
    for _ in range(3):
        assert gate.get("/").status == 200
    gate.admin("/metrics")
    gate.stop()


@pytest.mark.parametrize("access, environ, form", [
    ("stdout", {"NO_COLOR": ""}, "coloured"),
    ("stdout", {"NO_COLOR": "1"}, "text"),
    ("{ stdout: json }", {}, "json"),
])
def test_a_person_at_a_terminal_is_given_short_lines(make_gate, backend, access, environ, form):
    gate = make_gate({"gatehouse.yaml": GATE_FILE.replace("{ file: access.log }", access),
                      "services/hello.yaml": OPEN_SERVICE}, [backend], local={"hello": f'["{backend.address}"]'},
                     start=False, balance=False, environ=environ)
    ours, theirs = os.openpty()
    gate.stdout = pathlib.Path(os.ttyname(theirs))
    gate.start()
    answer = gate.get("/some/path")
    gate.stop()
    os.close(theirs)
    lines = b""
    while b"\n" not in lines:
        lines += os.read(ours, 4096)
    os.close(ours)
    line = lines.decode().rstrip("\r\n")
    if form == "json":
        assert json.loads(line)["id"] == answer.header("X-Request-Id")
        return
    status = "\x1b[32m200\x1b[0m" if form == "coloured" else "200"
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  " + re.escape(status) +
                        r'  GET gate\.test/some/path  hello  "open"  \d+(\.\d+)? ms', line), line
