"""HTTP/1.1 on both sides: framing, reuse, early and partial answers, upgrades, bodies of any size, and all the
ambiguous shapes that must never reach a backend."""

import base64
import hashlib
import random
import sys
import threading
import time

import pytest

import wire
from gate import IS_SANITIZED, ROOT, wait_until

MEBI = 1 << 20
BIG_BODY_BYTES = (32 if IS_SANITIZED else 256) * MEBI
# How much more memory a gate may use for one big body than before it. Buffers, not bodies.
RELAY_MEMORY_KIB = 8 * 1024


# --- Keep-alive and pipelining ---------------------------------------------------------------------------------


def test_keep_alive_reuses_both_sides(open_gate, backend):
    with open_gate.client() as client:
        for number in range(20):
            assert client.get(f"/{number}").json()["target"] == f"/{number}"
    assert len(backend.connections) == 1
    assert [a["connection"] for r in open_gate_records(open_gate, 20) for a in r["attempts"]] == (
        ["new"] + ["reused"] * 19)


def open_gate_records(gate, count):
    wait_until(lambda: len(gate.records()) >= count, f"{count} records")
    return gate.records()


def test_connection_close_is_honoured(open_gate):
    with open_gate.client() as client:
        answer = client.get("/", {"Connection": "close"})
        assert answer.status == 200 and answer.header("connection") == "close"
        assert client.is_closed()


def test_http_1_0(open_gate):
    with open_gate.client() as client:
        assert client.get("/", version="HTTP/1.0").status == 200
        assert client.is_closed()


def test_pipelined_requests_are_answered_in_order(open_gate):
    with open_gate.client() as client:
        client.send(b"".join(wire.head("GET", f"/{n}") for n in range(30)))
        assert [client.read_response().json()["target"] for _ in range(30)] == [f"/{n}" for n in range(30)]


def test_pipelined_bodies_do_not_run_into_the_next_request(open_gate, backend):
    bodies = [random.Random(n).randbytes(n * 37) for n in range(1, 12)]
    with open_gate.client() as client:
        for body in bodies:
            client.send(wire.head("POST", "/", [("Content-Length", len(body))]) + body)
        for body in bodies:
            assert client.read_response().json()["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert len(backend.requests) == len(bodies)


def test_request_split_at_every_byte(open_gate):
    body = b"hello"
    request = wire.head("POST", "/a?b", [("Content-Length", len(body))]) + body
    with open_gate.client() as client:
        for cut in range(1, len(request)):
            client.send(request[:cut])
            time.sleep(0.001)
            client.send(request[cut:])
            assert client.read_response().json()["body_length"] == len(body), cut


def test_byte_by_byte_chunked(open_gate):
    parts = [b"a" * 3, b"b" * 17, b"c"]
    with open_gate.client() as client:
        client.send(wire.head("POST", "/", [("Transfer-Encoding", "chunked")]) + wire.chunked(parts),
                    pause=0.0005, size=1)
        assert client.read_response().json()["body_sha256"] == hashlib.sha256(b"".join(parts)).hexdigest()


def test_empty_lines_before_a_request(open_gate):
    with open_gate.client() as client:
        client.send(b"\r\n" + wire.head("GET", "/"))  # RFC 9112 §2.2: at least one should be ignored
        assert client.read_response().status == 200


# --- Bodies ----------------------------------------------------------------------------------------------------


def test_chunked_request_with_extensions_and_trailers(open_gate, backend):
    with open_gate.client() as client:
        client.send(wire.head("POST", "/", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
                    + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 42\r\n\r\n")
        answer = client.read_response()
        assert answer.json()["body_sha256"] == hashlib.sha256(b"hello!").hexdigest()
        assert client.get("/").status == 200
    assert dict(backend.requests[0].trailers).get("X-Sum", "42") == "42"


def test_trailers_cannot_carry_identity_or_framing(open_gate, backend):
    with open_gate.client() as client:
        client.send(wire.head("POST", "/", [("Transfer-Encoding", "chunked")])
                    + wire.chunked([b"x"], [("Gatehouse-Identity", "forged"), ("Content-Length", "9")]))
        assert client.read_response().status in (200, 400)
    for request in backend.requests:
        assert not {n.lower() for n, _ in request.trailers} & {"gatehouse-identity", "content-length"}


def test_chunked_response_with_trailers(make_gate, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        for part in (b"one", b"two" * 1000):
            call.send(b"%x\r\n%s\r\n" % (len(part), part))
        call.send(b"0\r\nX-Sum: 7\r\n\r\n")

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        for _ in range(2):
            answer = client.get("/")
            assert answer.body == b"one" + b"two" * 1000
            assert dict(answer.trailers).get("X-Sum", "7") == "7"


def gate_before(make_gate, *backends, service="", **options):
    """A gate with one open service before these backends."""
    addresses = ", ".join(f'"{b.address}"' for b in backends)
    return make_gate({"services/s.yaml": f"match: {{ path: / }}\naccess: [{{ allow: anyone }}]\n{service}"},
                     backends, local={"s": f"[{addresses}]"}, **options)


def test_response_that_ends_with_the_connection(make_gate, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        call.close()

    gate = gate_before(make_gate, make_backend(script))
    assert gate.get("/").body == b"until the end"


def test_head_204_and_304_have_no_body(make_gate, make_backend):
    def script(call):
        if call.request.target == "/204":
            call.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif call.request.target == "/304":
            call.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"x\"\r\n\r\n")
        else:
            call.respond(200, [], b"0123456789")

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        for _ in range(3):
            answer = client.request("HEAD", "/")
            assert answer.status == 200 and answer.header("content-length") == "10"
            assert client.get("/204").status == 204
            assert client.get("/304").header("etag") == '"x"'
            assert client.get("/").body == b"0123456789"


def test_body_limit(make_gate, make_backend):
    backend = make_backend()
    gate = gate_before(make_gate, backend, service="limits: { body: 1000 }\n")
    assert gate.fetch("POST", "/", (), b"x" * 1000).status == 200
    answer = gate.fetch("POST", "/", (), b"x" * 1001)
    assert answer.status == 413 and answer.reason == "request_body_too_large"
    assert len(backend.requests) == 1
    with gate.client() as client:
        client.send(wire.head("POST", "/", [("Transfer-Encoding", "chunked")]) + wire.chunked([b"x" * 600] * 3))
        assert client.read_response().status == 413


def test_head_limits(open_gate, backend):
    with open_gate.client() as client:
        assert client.get("/", {"X-Big": "x" * 40_000}).status == 200
    for headers in ([("X-Big", "x" * 70_000)], [(f"X-{n}", "1") for n in range(150)]):
        with open_gate.client() as client:
            answer = client.get("/", headers)
            assert answer.status == 431 and answer.reason == "request_head_too_large"
            assert client.is_closed()
    assert len(backend.requests) == 1


def pattern(size):
    """size bytes in pieces, never the same piece twice, cheap to make."""
    block = random.Random(7).randbytes(MEBI)
    for start in range(0, size, MEBI):
        piece = start.to_bytes(8, "big") + block[8:]
        yield piece[:min(MEBI, size - start)]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_big_upload(open_gate, backend, framing):
    open_gate.get("/")
    before = open_gate.memory_kib("VmHWM")
    digest = hashlib.sha256()
    with open_gate.client(timeout=120) as client:
        if framing == "length":
            client.send(wire.head("PUT", "/", [("Content-Length", BIG_BODY_BYTES)]))
        else:
            client.send(wire.head("PUT", "/", [("Transfer-Encoding", "chunked")]))
        for piece in pattern(BIG_BODY_BYTES):
            digest.update(piece)
            client.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        if framing == "chunked":
            client.send(b"0\r\n\r\n")
        answer = client.read_response()
    assert answer.json()["body_length"] == BIG_BODY_BYTES
    assert answer.json()["body_sha256"] == digest.hexdigest()
    if not IS_SANITIZED:
        assert open_gate.memory_kib("VmHWM") - before < RELAY_MEMORY_KIB
    assert open_gate.record(answer)["bytes_received"] >= BIG_BODY_BYTES


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_big_download_to_a_slow_reader(make_gate, make_backend, framing):
    sent = hashlib.sha256()

    def script(call):
        if call.request.target == "/":
            return call.respond(200)
        field = f"Content-Length: {BIG_BODY_BYTES}" if framing == "length" else "Transfer-Encoding: chunked"
        call.send(f"HTTP/1.1 200 OK\r\n{field}\r\n\r\n".encode())
        for piece in pattern(BIG_BODY_BYTES):
            sent.update(piece)
            call.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        if framing == "chunked":
            call.send(b"0\r\n\r\n")

    gate = gate_before(make_gate, make_backend(script))
    gate.get("/")
    before = gate.memory_kib("VmHWM")
    received, count = hashlib.sha256(), 0
    with gate.client(timeout=120) as client:
        client.send(wire.head("GET", "/big"))
        answer = client.read_head()
        time.sleep(0.5)  # the backend runs ahead of the reader until back-pressure stops it
        while True:
            if framing == "chunked":
                size = int(client.read_until(b"\r\n").split(b";")[0], 16)
            else:
                size = min(MEBI, BIG_BODY_BYTES - count)
            if size == 0:
                break
            piece = client.read_exactly(size)
            received.update(piece)
            count += len(piece)
            if framing == "chunked":
                client.read_exactly(2)
    assert count == BIG_BODY_BYTES and received.hexdigest() == sent.hexdigest()
    if not IS_SANITIZED:
        assert gate.memory_kib("VmHWM") - before < RELAY_MEMORY_KIB
    assert gate.record(answer)["bytes_sent"] >= BIG_BODY_BYTES


# --- 1xx, Expect, early answers --------------------------------------------------------------------------------


def test_expect_100_continue(open_gate, backend):
    with open_gate.client() as client:
        client.send(wire.head("POST", "/", [("Content-Length", 5), ("Expect", "100-continue")]))
        first = client.read_head()
        assert first.status == 100
        client.send(b"hello")
        assert client.read_response().json()["body_length"] == 5
        assert client.get("/").status == 200
    assert len(backend.requests) == 2


def test_expect_100_continue_is_not_answered_when_denied(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ deny: anyone }]\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})
    with gate.client() as client:
        client.send(wire.head("POST", "/", [("Content-Length", 5), ("Expect", "100-continue")]))
        answer = client.read_response()
        assert answer.status == 403 and answer.interim == []
    assert backend.requests == []


def test_unknown_expectation(open_gate):
    answer = open_gate.get("/", {"Expect": "tea"})
    assert answer.status == 417 and answer.reason == "expectation_failed"


def test_interim_answers_are_passed_on(make_gate, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        call.wait(0.05)
        call.respond(200, [], b"done")

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        answer = client.get("/")
        assert [i.status for i in answer.interim] == [103]
        assert answer.interim[0].header("link") == "</a.css>" and answer.body == b"done"
        assert client.get("/").status == 200


def test_early_answer_to_an_unfinished_upload(make_gate, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
        call.close()

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        client.send(wire.head("POST", "/", [("Content-Length", 10 * MEBI)]) + b"x" * 1000)
        answer = client.read_response()
        assert answer.status == 413 and answer.body == b"no!"


def test_answer_streams_before_the_request_ends(make_gate, make_backend):
    """Both directions at once: the backend echoes each chunk as it comes."""
    def script(call):
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in call.connection.read_body(call.request):
            call.send(b"%x\r\n%s\r\n" % (len(part), part))
        call._unread = False
        call.send(b"0\r\n\r\n")

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        client.send(wire.head("POST", "/", [("Transfer-Encoding", "chunked")]) + b"3\r\none\r\n")
        answer = client.read_head()
        assert answer.status == 200
        assert client.read_until(b"\r\n") == b"3" and client.read_exactly(5) == b"one\r\n"
        client.send(b"3\r\ntwo\r\n")
        assert client.read_until(b"\r\n") == b"3" and client.read_exactly(5) == b"two\r\n"
        client.send(b"0\r\n\r\n")
        assert client.read_exactly(5) == b"0\r\n\r\n"
        # An answer that overtakes its request may end the connection, but then it says so.
        if answer.header("connection") == "close":
            assert client.is_closed()
        else:
            assert client.get("/").status == 200


# --- Clients and connections that end --------------------------------------------------------------------------


def test_half_closed_client_gets_its_answer(make_gate, make_backend):
    def script(call):
        call.wait(0.1)
        call.describe()

    gate = gate_before(make_gate, make_backend(script))
    with gate.client() as client:
        client.send(wire.head("GET", "/half"))
        client.finish_sending()
        assert client.read_response().json()["target"] == "/half"
        assert client.is_closed()


def test_client_that_leaves_is_recorded(make_gate, make_backend):
    arrived = threading.Event()

    def script(call):
        arrived.set()
        call.wait(30)

    gate = gate_before(make_gate, make_backend(script))
    client = gate.client()
    client.send(wire.head("GET", "/leaves"))
    assert arrived.wait(20)
    client.reset()
    record = wait_until(lambda: gate.records(), "the record")[0]
    assert record["reason"] == "client_disconnected"
    assert "status" not in record or record["status"] in (0, 499)


def test_client_that_leaves_in_the_middle_of_its_head_or_body(open_gate, backend):
    for piece in (b"GET / HT", wire.head("POST", "/", [("Content-Length", 100)]) + b"half"):
        client = open_gate.client()
        client.send(piece)
        client.close()
    assert open_gate.get("/").status == 200


# --- Upgrades --------------------------------------------------------------------------------------------------


def websocket_accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def test_websocket_relay(make_gate, make_backend):
    def script(call):
        request = call.request
        if request.header("upgrade") != "websocket" or "upgrade" not in request.header("connection", "").lower():
            return call.respond(400)
        accept = websocket_accept(request.header("sec-websocket-key"))
        call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\nhello from the backend")
        while True:
            if not call.connection.buffer:
                call.connection.more()
            data, call.connection.buffer = call.connection.buffer, b""
            call.send(data)

    backend = make_backend(script)
    gate = gate_before(make_gate, backend)
    key = base64.b64encode(b"0123456789abcdef").decode()
    with gate.client() as client:
        client.send(wire.head("GET", "/chat", [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                               ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)]))
        answer = client.read_response()
        assert answer.status == 101 and answer.header("sec-websocket-accept") == websocket_accept(key)
        assert client.read_exactly(22) == b"hello from the backend"
        for size in (1, 100, 200_000):
            data = random.Random(size).randbytes(size)
            sender = threading.Thread(target=client.send, args=(data,))
            sender.start()
            assert client.read_exactly(size) == data
            sender.join()
    record = wait_until(lambda: gate.records(), "the record")[0]
    assert record["status"] == 101 and record["verdict"] == "allow"


def test_upgrade_that_the_backend_ignores(open_gate):
    with open_gate.client() as client:
        answer = client.get("/", [("Upgrade", "echo"), ("Connection", "Upgrade")])
        assert answer.status == 200
        assert client.get("/again").status == 200


def test_upgrade_nobody_asked_for(make_gate, make_backend):
    gate = gate_before(make_gate, make_backend(
        lambda call: call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")))
    answer = gate.get("/")
    assert answer.status == 502 and answer.reason in ("http_upgrade_failed", "http_protocol_error")


def test_denied_upgrade_never_reaches_the_backend(make_gate, backend):
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ deny: anyone }]\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})
    with gate.client() as client:
        client.send(wire.head("GET", "/", [("Upgrade", "echo"), ("Connection", "Upgrade")])
                    + b"bytes that must not be relayed")
        assert client.read_response().status == 403
    assert backend.requests == []


# --- Headers on the way ----------------------------------------------------------------------------------------


def test_hop_by_hop_headers_are_stripped_both_ways(make_gate, make_backend):
    def script(call):
        call.respond(200, [("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=9"), ("X-End", "1")])

    backend = make_backend(script)
    gate = gate_before(make_gate, backend)
    answer = gate.get("/", [("Connection", "keep-alive, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "1"),
                            ("Proxy-Connection", "keep-alive"), ("TE", "trailers"), ("X-End", "1")])
    assert answer.header("x-hop") is None and answer.header("keep-alive") is None and answer.header("x-end") == "1"
    request = backend.requests[0]
    for name in ("x-mine", "keep-alive", "proxy-connection"):
        assert request.header(name) is None, name
    assert request.header("x-end") == "1"


def test_forwarded_headers_name_the_client_and_believe_nobody(open_gate, backend):
    open_gate.get("/", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
                        ("X-Forwarded-Host", "evil"), ("Forwarded", "for=6.6.6.6"), ("X-Real-Ip", "6.6.6.6")])
    request = backend.requests[0]
    assert request.all("x-forwarded-for") == ["127.0.0.1"]
    assert request.all("x-forwarded-proto") == ["http"]
    assert request.all("x-forwarded-host") == ["gate.test"]
    assert "6.6.6.6" not in request.header("forwarded", "")
    assert request.header("traceparent") and request.header("x-request-id")


def test_forwarded_headers_of_trusted_proxies(make_gate, backend):
    gate = make_gate({
        "gatehouse.yaml": """\
listen:
  - { address: "127.0.0.1:0", trusted_proxies: [127.0.0.1/32] }
admin: { address: "127.0.0.1:0" }
log: { access: { file: access.log } }
""",
        "services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n",
    }, [backend], local={"s": f'["{backend.address}"]'})
    answer = gate.get("/", {"X-Forwarded-For": "192.0.2.7"})
    assert gate.record(answer)["client"].startswith("192.0.2.7")


# --- What must be refused --------------------------------------------------------------------------------------

HOST = b"Host: gate.test\r\n"

REFUSED = {
    "both framings": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -3\r\n\r\nabc",
    "hex length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc",
    "empty length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n",
    "huge length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "gzip before chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two coding lines": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
    "coding with a vertical tab": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in quotes": b'POST / HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding in 1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "fold": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\r\n 2\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\n" + HOST + b"X-A : 1\r\n\r\n",
    "space first": b"GET / HTTP/1.1\r\n Host: gate.test\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: gate.test\n\n",
    "bare LF in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\nX-B: 2\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\rX-B: 2\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\x002\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\n" + HOST + b"X\x00A: 1\r\n\r\n",
    "underscore": b"GET / HTTP/1.1\r\n" + HOST + b"X_Forwarded_For: 1\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\n" + HOST + b": 1\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nX-A: 1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: other\r\n\r\n",
    "two equal hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: a@gate.test\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: gate.test/x\r\n\r\n",
    "host with comma": b"GET / HTTP/1.1\r\nHost: gate.test, other\r\n\r\n",
    "absolute form against host": b"GET http://other/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT gate.test:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "version 0.9": b"GET /\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "trailing space": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "method with a bracket": b"G[T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without slash": b"GET x HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded slash": b"GET /a%2fb HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded backslash": b"GET /a%5cb HTTP/1.1\r\n" + HOST + b"\r\n",
    "backslash": b"GET /a\\b HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded NUL": b"GET /a%00b HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded newline": b"GET /a%0d%0ab HTTP/1.1\r\n" + HOST + b"\r\n",
    "broken escape": b"GET /a%zz HTTP/1.1\r\n" + HOST + b"\r\n",
    "escape cut short": b"GET /a% HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded dots": b"GET /a/%2e%2e/b HTTP/1.1\r\n" + HOST + b"\r\n",
    "double encoding": b"GET /a/%252e%252e/b HTTP/1.1\r\n" + HOST + b"\r\n",
    "above the root": b"GET /../a HTTP/1.1\r\n" + HOST + b"\r\n",
    "parameters": b"GET /a;b/c HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw byte": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2 preface with a header": b"PRI * HTTP/2.0\r\n" + HOST + b"\r\nSM\r\n\r\n",
    "zeros": b"\x00" * 64,
}

PATH_REFUSALS = {"fragment", "encoded slash", "encoded backslash", "backslash", "encoded NUL", "encoded newline",
                 "broken escape", "escape cut short", "encoded dots", "double encoding", "above the root",
                 "parameters", "raw byte"}

# These begin well: the head may be forwarded, but the body must end in an error on both sides.
REFUSED_IN_BODY = {
    "size with sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with space": b" 3\r\nabc\r\n0\r\n\r\n",
    "huge size": b"fffffffffffffffff\r\nabc",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "bare LF after size": b"3\nabc\r\n0\r\n\r\n",
    "bare LF after data": b"3\r\nabc\n0\r\n\r\n",
    "data too long": b"3\r\nabcd\r\n0\r\n\r\n",
    "bare LF in extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "bare LF at the end": b"3\r\nabc\r\n0\r\n\n",
    "malformed trailer": b"3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
}


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n"


def send_refused(gate, data, then=SMUGGLED):
    """Sends what must be refused and what must not be read as a request of its own, whatever the first one was
    taken for. Gives the answer's bytes and the requests that reached the backend."""
    backend = gate.backends[0]
    before = len(backend.requests)
    with gate.client(timeout=30) as client:
        try:
            client.send(data + then)
            client.finish_sending()
        except OSError:
            pass  # refused while it was still being sent
        answer = client.read_to_end()
    return answer, backend.requests[before:]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(shared_gate, name):
    answer, reached = send_refused(shared_gate, REFUSED[name])
    if answer:
        assert answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 5"), answer
    # After a refused path the framing is still clear, so the connection may go on with the next request.
    allowed = {"/smuggled"} if name in PATH_REFUSALS else set()
    assert {request.target for request in reached} <= allowed, answer
    assert shared_gate.get("/after").status == 200


@pytest.mark.parametrize("name", REFUSED_IN_BODY)
def test_refused_in_body(shared_gate, name):
    head = wire.head("POST", "/", [("Transfer-Encoding", "chunked")])
    answer, reached = send_refused(shared_gate, head + REFUSED_IN_BODY[name])
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    # Whatever reached the backend was never a complete request.
    assert all(request.target == "/" and not request.is_complete for request in reached), reached
    assert shared_gate.get("/after").status == 200


def golden(name):
    """The cases of the codec's own tests, on the whole gate."""
    folder = ROOT / "tests/golden/http1"
    if not (folder / "cases.py").exists():
        return []
    sys.path.insert(0, str(folder))
    import cases
    return cases.read_cases(name)


def test_golden_refusals_never_reach_a_backend(shared_gate):
    troubles = []
    for case in golden("refused.txt"):
        stage = case.get("at", "head")
        answer, reached = send_refused(shared_gate, case.data, then=b"" if stage == "incomplete" else SMUGGLED)
        clear = stage in ("target", "paths", "gate")  # refused for what it asks: the next request may be served
        for request in reached:
            begun = stage in ("body", "incomplete") and not request.is_complete and request.target != "/smuggled"
            if not begun and not (clear and request.target == "/smuggled"):
                troubles.append((case.name, "reached the backend", request))
        if answer and not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.1 100")):
            troubles.append((case.name, "was answered", answer[:80]))
    assert troubles == []


@pytest.mark.parametrize("sent, forwarded", [
    ("/a//b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/%61", "/a"), ("/a%20b", "/a%20b"),
    ("/a?x=%2f..//;", "/a?x=%2f..//;"), ("/a?", "/a?"),
])
def test_paths_are_forwarded_as_matched(shared_gate, sent, forwarded):
    answer = shared_gate.get(sent)
    assert answer.json()["target"] == forwarded
    assert shared_gate.record(answer)["path"] == forwarded.split("?")[0]


def test_random_noise_and_mutations_never_pass(open_gate, backend):
    """A short fuzz of the whole gate; the codec's own fuzzers go deeper."""
    chance = random.Random(20240501)
    seeds = list(REFUSED.values())
    for _ in range(150 if IS_SANITIZED else 600):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b"\r\n\t \x00:;,/%\x7f\xffA0")
        with open_gate.client(timeout=30) as client:
            client.send(bytes(data))
            client.finish_sending()
            answer = client.read_to_end()
        assert not answer or answer.startswith(b"HTTP/1.1 "), answer
    # The ones that happened to be well-formed are checked against their records at the end of the test.
    assert open_gate.get("/after").status == 200


# --- Slow clients ----------------------------------------------------------------------------------------------

QUICK_TIMEOUTS = """\
listen:
  - address: "127.0.0.1:0"
timeouts: { head: 500ms, body: 500ms, idle: 500ms }
admin: { address: "127.0.0.1:0" }
log: { access: { file: access.log } }
"""


@pytest.fixture
def impatient_gate(make_gate, backend):
    return make_gate({"gatehouse.yaml": QUICK_TIMEOUTS,
                      "services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n"},
                     [backend], local={"s": f'["{backend.address}"]'})


def test_slow_head_times_out(impatient_gate, backend):
    with impatient_gate.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: gate.test\r\n")
        answer = client.read_response()
        assert answer.status == 408 and answer.reason == "request_timeout"
        assert client.is_closed()
    assert backend.requests == []


def test_dribbled_head_times_out_too(impatient_gate, backend):
    with impatient_gate.client() as client:
        try:
            client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 400, pause=0.05, size=1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        data = client.read_to_end()
        assert not data or data.startswith(b"HTTP/1.1 408")
    assert backend.requests == []


def test_stalled_body_times_out(impatient_gate):
    with impatient_gate.client() as client:
        client.send(wire.head("POST", "/", [("Content-Length", 100)]) + b"some")
        data = client.read_to_end()
        assert not data or data.startswith(b"HTTP/1.1 408")


def test_idle_connection_is_closed_without_a_word(impatient_gate):
    with impatient_gate.client() as client:
        assert client.get("/").status == 200
        assert client.is_closed()
    with impatient_gate.client() as client:
        assert client.is_closed()
