"""What backends do wrong, and what the gate makes of it: the right reason, a retry only where it is safe."""

import threading

import pytest

import wire
from backend import unused_port
from gate import wait_until

SERVICE = "match: { path: / }\n%saccess: [{ allow: anyone }]\n"


@pytest.fixture
def before(make_gate):
    """before(*backends or addresses, forward="...") is a gate with one open service before them."""
    def make(*backends, forward="", **options):
        addresses = ", ".join(f'"{b if isinstance(b, str) else b.address}"' for b in backends)
        real = [b for b in backends if not isinstance(b, str)]
        text = SERVICE % (f"forward: {{ {forward} }}\n" if forward else "")
        return make_gate({"services/s.yaml": text}, real, local={"s": f"[{addresses}]"}, **options)
    return make


def failure(gate, status, *reasons, method="GET", **options):
    """Asks, and checks that answer and record agree on the failure; gives the record."""
    answer = gate.fetch(method, "/", **options)
    assert answer.status == status, answer
    assert answer.reason in reasons, answer
    record = gate.record(answer)
    assert record["reason"] == answer.reason and record["status"] == status
    assert record["verdict"] == "allow"
    return record


def test_dead_backend(before):
    gate = before(f"127.0.0.1:{unused_port()}")
    record = failure(gate, 502, "connection_refused")
    assert record["attempts"][0]["outcome"] == "connection_refused"
    assert record["phase"] == "connect"
    assert "wait" not in record["phases_ms"] and "relay" not in record["phases_ms"]


def test_dead_endpoint_beside_a_live_one(before, backend):
    gate = before(f"127.0.0.1:{unused_port()}", backend)
    assert {gate.get("/").status for _ in range(40)} == {200}


def test_no_endpoint_takes_it(before):
    gate = before(f"127.0.0.1:{unused_port()}", f"127.0.0.1:{unused_port()}")
    answer = gate.get("/")
    assert answer.status in (502, 503)
    assert answer.reason in ("connection_refused", "no_healthy_endpoint")


def test_load_spreads_over_endpoints(before, make_backend):
    backends = [make_backend(name=str(n)) for n in range(3)]
    gate = before(*backends)
    for _ in range(90):
        assert gate.get("/").status == 200
    assert all(len(b.requests) >= 5 for b in backends), [len(b.requests) for b in backends]


def test_least_busy_endpoint_is_chosen(before, make_backend):
    release = threading.Event()

    def slow(call):
        release.wait(30)
        call.describe()

    stuck, free = make_backend(slow, name="stuck"), make_backend(name="free")
    gate = before(stuck, free)
    held = []
    for count in range(1, 13):
        client = gate.client()
        client.send(wire.head("GET", "/"))
        wait_until(lambda: len(stuck.requests) + len(free.requests) == count, "the request to arrive")
        if len(held) + 1 == len(stuck.requests):
            held.append(client)  # this one went to the stuck backend and stays in flight
        else:
            assert client.read_response().status == 200
            client.close()
    release.set()
    assert {client.read_response().status for client in held} <= {200}
    for client in held:
        client.close()
    assert len(free.requests) > len(stuck.requests)


def test_stale_reused_connection_is_retried_once(before, make_backend):
    """The backend takes the request on a reused connection and closes without a byte: asked again on a new one."""
    def script(call):
        if call.connection.requests == 2:
            call.close()
        call.describe()

    backend = make_backend(script)
    gate = before(backend)
    with gate.client() as client:
        assert client.get("/1").status == 200
        answer = client.get("/2")
        assert answer.status == 200
    record = gate.record(answer)
    assert [a["connection"] for a in record["attempts"]] == ["reused", "new"]
    assert backend.paths() == ["/1", "/2", "/2"]


def test_what_is_not_idempotent_is_not_repeated(before, make_backend):
    def script(call):
        call.read_body()
        if call.connection.requests == 2:
            call.close()
        call.describe()

    backend = make_backend(script)
    gate = before(backend)
    with gate.client() as client:
        assert client.get("/1").status == 200
        answer = client.request("POST", "/2", (), b"pay")
        assert answer.status == 502 and answer.reason == "connection_terminated"
    assert backend.paths() == ["/1", "/2"]


def test_new_connection_that_fails_is_not_retried_on_itself(before, make_backend):
    backend = make_backend(lambda call: call.close())
    record = failure(before(backend), 502, "connection_terminated")
    assert [a["connection"] for a in record["attempts"]] == ["new"]
    assert len(backend.requests) == 1


def test_idle_connections_closed_by_the_backend_do_no_harm(before, make_backend):
    backend = make_backend()
    gate = before(backend)
    for _ in range(10):
        assert gate.get("/").status == 200
        backend.close_connections()


def test_connection_close_of_the_backend_is_honoured(before, make_backend):
    def script(call):
        call.respond(200, [("Connection", "close")], b"bye")
        call.close()

    backend = make_backend(script)
    gate = before(backend)
    with gate.client() as client:
        for _ in range(5):
            assert client.get("/").body == b"bye"
    assert len(backend.connections) == 5


def test_response_timeout(before, make_backend):
    backend = make_backend(lambda call: call.wait(60))
    record = failure(before(backend, forward="response_timeout: 200ms"), 504, "http_response_timeout")
    assert record["phase"] == "wait"


def test_answer_that_stalls_in_its_body(before, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        call.wait(60)

    gate = before(make_backend(script), forward="response_timeout: 200ms")
    with gate.client() as client:
        client.send(wire.head("GET", "/"))
        answer = client.read_head()
        assert client.read_to_end() == b"some"  # closed: the client can tell that it is not whole
    assert gate.record(answer)["reason"] == "connection_read_timeout"


def test_connect_timeout(before):
    # TEST-NET-1 answers nothing; some networks refuse it at once.
    gate = before("192.0.2.1:81", forward="connect_timeout: 200ms")
    answer = gate.get("/")
    assert answer.reason in ("connection_timeout", "connection_refused", "no_healthy_endpoint"), answer


def test_answer_cut_short(before, make_backend):
    def script(call):
        if "chunked" in call.request.target:
            call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
        else:
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel")
        call.close()

    gate = before(make_backend(script))
    for target in ("/length", "/chunked"):
        with gate.client() as client:
            client.send(wire.head("GET", target))
            answer = client.read_head()
            rest = client.read_to_end()
        assert b"hel" in rest and not rest.endswith(b"0\r\n\r\n")
        assert gate.record(answer)["reason"] == "http_response_incomplete"


MALFORMED = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "fold": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "HTTP/3.0": b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_answers(before, make_backend, name):
    def script(call):
        call.send(MALFORMED[name])
        call.wait(0.2)
        call.close()

    failure(before(make_backend(script)), 502, "http_protocol_error", "http_upgrade_failed")


def test_answer_head_too_large(before, make_backend):
    def script(call):
        call.respond(200, [("X-Big", "x" * 200_000)])

    failure(before(make_backend(script)), 502, "http_response_header_section_size")


def test_answer_dribbled_byte_by_byte(before, make_backend):
    def script(call):
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            call.send(bytes([byte]))
            call.wait(0.001)

    gate = before(make_backend(script))
    with gate.client() as client:
        for _ in range(2):
            assert client.get("/").body == b"abc"


def test_bytes_after_an_answer_are_never_the_next_ones(before, make_backend):
    """Response splitting: a backend that sends more than one answer must not answer the next client."""
    def script(call):
        extra = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison" if call.request.target == "/first" else b""
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + extra)

    gate = before(make_backend(script))
    with gate.client() as client:
        assert client.get("/first").body == b"ok"
        for _ in range(5):
            assert client.get("/next").body == b"ok"


def test_backend_resets(before, make_backend):
    record = failure(before(make_backend(lambda call: call.reset())), 502, "connection_terminated")
    assert record["attempts"][0]["outcome"] == "connection_terminated"


def test_names_are_resolved(before, backend):
    gate = before(f"localhost:{backend.port}")
    gate.backends.append(backend)
    assert gate.get("/").status == 200


def test_name_that_does_not_exist(before):
    gate = before("no-such-host.invalid:80")
    answer = gate.get("/")
    assert answer.reason in ("dns_error", "dns_timeout", "no_healthy_endpoint"), answer


def test_unix_socket_listener(make_gate, backend, tmp_path):
    import socket
    path = tmp_path / "gate.sock"
    gate = make_gate({
        "gatehouse.yaml": f'listen:\n  - address: "unix:{path}"\nadmin: {{ address: "127.0.0.1:0" }}\n'
                          "log: { access: { file: access.log } }\n",
        "services/s.yaml": SERVICE % "",
    }, [backend], local={"s": f'["{backend.address}"]'})
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(wire.head("GET", "/"))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert path.stat().st_mode & 0o7777 == 0o660
    gate_file = gate.folder / "gatehouse.yaml"
    gate_file.write_text(gate_file.read_text().replace(f'"unix:{path}"', f'"unix:{path}"\n    mode: "0606"'))
    wait_until(lambda: path.stat().st_mode & 0o7777 == 0o606, "the new mode")
    gate.balance()
