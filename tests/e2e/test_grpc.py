"""gRPC through the gate with real clients and servers: the cases of gRPC's own interop tests, refusals as gRPC
statuses, rules by method, deadlines, and gRPC-Web as a browser sends it."""

import base64
import json
import queue
import struct

import grpc
import pytest

import h2wire
import wire
from fronts import LISTENERS, TLS_LISTENER, gate_only
from gate import run_command, wait_until
from grpc_service import SERVICE, GrpcServer, Stub, failure, message
from h2_backend import H2Backend

GATE = """\
providers:
  robots: { api_keys: { file: keys.yaml } }
"""

SERVICE_FILE = f"""\
match: {{ path: / }}
forward: {{ to: "${{s}}" }}
access:
  - {{ name: all methods, allow: anyone, on: "grpc {SERVICE}/*" }}
  - {{ name: nobody, deny: anyone, on: "grpc {SERVICE}/Denied" }}
  - {{ name: with a key, allow: {{ provider: robots, scopes: [call] }}, on: "grpc gatehouse.testing.Closed" }}
  - {{ name: without a service, allow: anyone, on: "grpc gatehouse.testing.Nothing/Method" }}
"""

OVER = ["clear", "tls"]


@pytest.fixture(scope="module")
def server():
    made = GrpcServer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def front(make_front, server):
    return make_front(server, protocol="auto")


@pytest.fixture(params=OVER)
def stub(request, front):
    ca = front.authority.certificate if request.param == "tls" else None
    with Stub(front.port(request.param), ca) as made:
        yield made


# --- The interop cases -----------------------------------------------------------------------------------------


def test_empty(stub):
    assert stub.unary("Empty") == b""


def test_large(stub):
    assert len(stub.unary("Unary", message(314159, 271828))) == 314159
    assert len(stub.unary("Unary", message(3 << 20, 3 << 20))) == 3 << 20


def test_client_streaming(stub):
    assert stub.collect(bytes(size) for size in (27182, 8, 1828, 45904)) == b"74922"
    assert stub.collect(iter(())) == b"0"


def test_server_streaming(stub):
    sizes = [31415, 9, 2653, 58979]
    assert [len(part) for part in stub.spread(json.dumps(sizes).encode())] == sizes
    assert not list(stub.spread(b"[]"))


def test_ping_pong(stub):
    """Each message is sent only when the answer to the one before is there."""
    sending = queue.SimpleQueue()
    answers = stub.talk(iter(sending.get, None))
    for asked, size in [(31415, 27182), (9, 8), (2653, 1828), (58979, 45904)]:
        sending.put(message(asked, size))
        assert len(next(answers)) == asked
    sending.put(None)
    assert not list(answers)
    assert answers.code() is grpc.StatusCode.OK


def test_empty_stream(stub):
    answers = stub.talk(iter(()))
    assert not list(answers) and answers.code() is grpc.StatusCode.OK


def test_cancel(stub, server):
    server.test.cancelled.clear()
    before = len(server.test.calls)
    call = stub.call("Wait", timeout=60)
    wait_until(lambda: len(server.test.calls) > before, "the call to arrive")
    call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    wait_until(server.test.cancelled.is_set, "the server to learn of it")


def test_cancel_after_the_first_answer(stub):
    sending = queue.SimpleQueue()
    answers = stub.talk(iter(sending.get, None))
    sending.put(message(31415, 27182))
    assert len(next(answers)) == 31415
    answers.cancel()
    sending.put(None)
    assert answers.code() is grpc.StatusCode.CANCELLED


def test_timeout(stub, server):
    server.test.cancelled.clear()
    error = failure(stub.unary, "Wait", timeout=0.3)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(server.test.cancelled.is_set, "the server to learn of it")


def test_deadline_reaches_the_server(stub, server):
    stub.unary("Empty", timeout=100)
    remaining = server.test.calls[-1][2]
    assert 0 < remaining <= 101  # the client rounds up to what it can say in few digits


@pytest.mark.parametrize("text", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and 😈\t\n",
                                  "100%", ""])
def test_status_and_message(stub, text):
    error = failure(stub.unary, "Fail", json.dumps({"code": 2, "message": text}).encode())
    assert error.code() is grpc.StatusCode.UNKNOWN and error.details() == text


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]], ids=lambda code: code.name)
def test_every_status(stub, code):
    error = failure(stub.unary, "Fail", json.dumps({"code": code.value[0], "message": "m"}).encode())
    assert error.code() is code and error.details() == "m"


def test_metadata(stub):
    sent = [("x-initial", "test_initial"), ("x-trailing-bin", b"\x0a\x0b\x0a\xff\0")]
    answers = stub.talk(iter([b"payload"]), method="Metadata", metadata=sent)
    assert list(answers) == [b"payload"]
    assert dict(answers.initial_metadata())["x-initial"] == "test_initial"
    assert dict(answers.trailing_metadata())["x-trailing-bin"] == b"\x0a\x0b\x0a\xff\0"


def test_compressed(stub):
    assert len(stub.unary("Unary", message(1 << 16, 1 << 16), compression=grpc.Compression.Gzip)) == 1 << 16


def test_unimplemented(front, stub):
    assert failure(stub.unary, "Nothing").code() is grpc.StatusCode.UNIMPLEMENTED
    with Stub(front.port("clear"), service="gatehouse.testing.Other") as other:
        assert failure(other.unary, "Empty").code() is grpc.StatusCode.UNIMPLEMENTED


def test_many_calls_at_once(stub):
    calls = [stub.call("Unary", message(1000 + n), timeout=20) for n in range(200)]
    assert [len(call.result()) for call in calls] == [1000 + n for n in range(200)]


# --- Rules and refusals ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(make_shared, server, server_certificate, closed_port):
    make_gate, _ = make_shared
    gate = make_gate({"gatehouse.yaml": LISTENERS % (TLS_LISTENER % server_certificate.pair) + GATE,
                      "services/s.yaml": SERVICE_FILE,
                      "services/dead.yaml": "match: { path: /dead.Service }\naccess: [{ allow: anyone }]\n",
                      "services/small.yaml": 'match: { path: /small.Service }\nforward: { to: "${s}" }\n'
                                             "limits: { body: 100 }\naccess: [{ allow: anyone }]\n"},
                     local={"s": f'"{server.address}"', "dead": f'"127.0.0.1:{closed_port}"'}, start=False)
    made = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci", "--scopes", "call")
    few = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "ci", "--scopes", "other")
    gate.start()
    gate.key, gate.other_key = made.stdout.split()[0], few.stdout.split()[0]
    return gate


def metadata(key):
    return [("x-api-key", key)]


# What is called, with which key (an attribute of the gate, or as it is), and the status and reason it gets.
REFUSED = {
    "a denied method": (SERVICE, "Denied", None, 7, "rule_denied"),
    "no key": ("gatehouse.testing.Closed", "Empty", None, 16, "credential_missing"),
    "a bad key": ("gatehouse.testing.Closed", "Empty", "gh_nonsense", 16, "credential_invalid"),
    "a key with too little": ("gatehouse.testing.Closed", "Empty", "other_key", 7, "scope_insufficient"),
    "a service that is nowhere allowed": ("gatehouse.testing.Unknown", "Empty", None, 7, "rule_denied"),
    "a backend that is down": ("dead.Service", "Empty", None, 14, "connection_refused"),
    "a message that is too large": ("small.Service", "Unary", None, 8, "request_body_too_large"),
}


@gate_only
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_statuses(guarded, authority, name, over):
    service, method, key, code, reason = REFUSED[name]
    ca = authority.certificate if over == "tls" else None
    sent = metadata(getattr(guarded, key, key)) if key else None
    with Stub(guarded.port_of(over == "tls"), ca, service) as stub:
        error = failure(stub.unary, method, bytes(200), metadata=sent)
    assert error.code().value[0] == code, error
    entries = dict(error.initial_metadata() or ()) | dict(error.trailing_metadata() or ())
    record = guarded.record(entries["x-request-id"])
    assert record["reason"] == reason and record["method"] == "POST"
    assert record["path"] == f"/{service}/{method}"


@gate_only
def test_rules_by_method(guarded):
    with Stub(guarded.port, service="gatehouse.testing.Closed") as stub:
        # Allowed by the key, and then unknown to the server.
        error = failure(stub.unary, "Empty", metadata=metadata(guarded.key))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    with Stub(guarded.port) as stub:
        call = stub.call("Secret", timeout=20)
        assert call.result() == b"secret"
    record = guarded.record(dict(call.initial_metadata())["x-request-id"])
    assert record["rule_name"] == "all methods" and record["verdict"] == "allow" and record["status"] == 200


@gate_only
def test_key_is_not_passed_on(guarded, server):
    with Stub(guarded.port) as stub:
        stub.unary("Empty", metadata=metadata(guarded.key))
    assert "x-api-key" not in server.test.calls[-1][1]
    assert "gatehouse-identity" in server.test.calls[-1][1]


def call_by_hand(client, path, extra=(), body=b"\0\0\0\0\0"):
    fields = [("content-type", "application/grpc"), ("te", "trailers"), *extra]
    return client.request("POST", path, fields, body)


@gate_only
def test_refusal_is_trailers_only(guarded):
    """HTTP status 200, one block of fields that ends the stream, and nothing else."""
    with h2wire.Client(guarded.port) as client:
        answer = call_by_hand(client, f"/{SERVICE}/Denied")
    assert answer.status == 200 and not answer.parts and not answer.trailers and answer.ended
    assert answer.header("content-type").startswith("application/grpc")
    assert answer.header("grpc-status") == "7" and answer.header("grpc-message")


@gate_only
def test_request_that_is_no_grpc_is_answered_as_http(guarded):
    answer = h2wire.fetch(guarded.port, "POST", f"/{SERVICE}/Denied", body=b"{}")
    assert answer.status == 403 and answer.reason == "rule_denied"


@gate_only
def test_deadline_is_kept_by_the_gate(make_gate):
    """A server that does not answer at all: the gate does, when the call's time is over."""
    backend = H2Backend(lambda call: call.wait(60))
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n"}, [backend],
                     local={"s": f'"{backend.address}"'})
    with h2wire.Client(gate.port) as client:
        answer = call_by_hand(client, "/a.B/C", [("grpc-timeout", "300m")])
    assert answer.status == 200 and answer.header("grpc-status") == "4", answer
    asked = backend.requests[0].header("grpc-timeout")
    assert asked and units_ms(asked) <= 300
    backend.stop()


def units_ms(text):
    return int(text[:-1]) * {"H": 3.6e6, "M": 6e4, "S": 1e3, "m": 1, "u": 1e-3, "n": 1e-6}[text[-1]]


@gate_only
def test_statuses_are_counted_by_method(guarded):
    with Stub(guarded.port) as stub:
        failure(stub.unary, "Fail", json.dumps({"code": 5, "message": "m"}).encode())
    guarded.balance()
    counted = [dict(labels) for (_, labels), value in guarded.metrics().items() if value
               and any(f"{SERVICE}/Fail" in v or v == "Fail" for _, v in labels)]
    assert any(set(labels.values()) & {"5", "NOT_FOUND"} for labels in counted), counted


@gate_only
def test_server_with_tls(make_gate, authority, server_certificate):
    server = GrpcServer(server_certificate)
    text = (f"match: {{ path: / }}\nforward: {{ to: \"https://{server.address}\", "
            f"tls: {{ ca: {authority.certificate}, name: gate.test }} }}\naccess: [{{ allow: anyone }}]\n")
    gate = make_gate({"services/s.yaml": text})
    with Stub(gate.port) as stub:
        assert len(stub.unary("Unary", message(1000))) == 1000
    server.stop()


# --- gRPC-Web --------------------------------------------------------------------------------------------------


def framed(payload, flag=0):
    return struct.pack(">BI", flag, len(payload)) + payload


def frames_of(body):
    found = []
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        found.append((flag, body[5:5 + length]))
        body = body[5 + length:]
    return found


def decoded_text(body):
    """Several padded pieces may stand behind each other."""
    return b"".join(base64.b64decode(body[at:at + 4]) for at in range(0, len(body), 4))


def web_call(gate, version, method, messages, text=False, extra=()):
    """A call as grpc-web sends it: (answer, the messages, the status and its fields)."""
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    body = b"".join(framed(m) for m in messages)
    body = base64.b64encode(body) if text else body
    fields = [("Content-Type", kind), ("X-Grpc-Web", "1"), ("Accept", kind), *extra]
    fetch = wire.fetch if version == "h1" else h2wire.fetch
    answer = fetch(gate.port, "POST", f"/{SERVICE}/{method}", fields, body)
    assert answer.status == 200, answer
    assert answer.header("content-type").startswith("application/grpc-web-text" if text else "application/grpc-web")
    frames = frames_of(decoded_text(answer.body) if text else answer.body)
    status = {name.lower(): value for name, value in answer.headers}
    for flag, payload in frames:
        if flag & 0x80:
            lines = payload.decode().strip().split("\r\n")
            status.update((n.strip().lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines))
    return answer, [payload for flag, payload in frames if not flag & 0x80], status



@gate_only
@pytest.mark.parametrize("version", ["h1", "h2"])
@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
class TestGrpcWeb:
    def test_unary(self, guarded, server, version, text):
        _, messages, status = web_call(guarded, version, "Unary", [message(10000)], text)
        assert [len(m) for m in messages] == [10000] and status["grpc-status"] == "0"
        assert not server.test.calls[-1][1].get("x-grpc-web")

    def test_server_streaming(self, guarded, version, text):
        _, messages, status = web_call(guarded, version, "Spread", [b"[1, 70000, 2]"], text)
        assert [len(m) for m in messages] == [1, 70000, 2] and status["grpc-status"] == "0"

    def test_failure_of_the_server(self, guarded, version, text):
        sent = json.dumps({"code": 5, "message": "not here, 100 %"}).encode()
        _, messages, status = web_call(guarded, version, "Fail", [sent], text)
        assert not messages and status["grpc-status"] == "5"
        assert status["grpc-message"] == "not here, 100 %25"

    def test_refusal(self, guarded, version, text):
        _, messages, status = web_call(guarded, version, "Denied", [b""], text)
        assert not messages and status["grpc-status"] == "7"
