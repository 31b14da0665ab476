"""HTTP/2 as its clients use it: nghttp, curl and h2load, and what a connection with many streams must keep apart.
Everything runs before a backend of HTTP/1 and one of HTTP/2, most of it in clear text and over TLS."""

import hashlib
import json
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

import h2wire
from backend import Backend
from fronts import gate_only, start_gate
from gate import PATIENCE, wait_until
from h2_backend import H2Backend, H2Call
from h2_frames import NO_ERROR, rst_stream, window_update

LARGE_BYTES = 16 << 20
# What one connection's two sockets may hold at most; and more than they and every window on the way can.
KERNEL_BYTES = sum(int(pathlib.Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text().split()[2]) for way in "rw")
TOO_MUCH_BYTES = max(64 << 20, 2 * KERNEL_BYTES & ~0xffff)
PATTERN = bytes(range(251)) * 4096


def pattern(count):
    return (PATTERN * (count // len(PATTERN) + 1))[:count]


LARGE = pattern(LARGE_BYTES)


def reply(call, body=b"", headers=(), trailers=()):
    """An answer with trailers, in either version."""
    if isinstance(call, H2Call):
        return call.respond(200, headers, body, trailers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*headers, ("Transfer-Encoding", "chunked")])
    end = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    call.send(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())
    if body:
        call.send(b"%x\r\n%s\r\n" % (len(body), body))
    call.send(f"0\r\n{end}\r\n".encode())


class Script:
    """What the backend does, by path; .sent counts the bytes of /endless, .release lets /stuck go on."""

    def __init__(self):
        self.release, self.sent = threading.Event(), 0

    def __call__(self, call):
        path = call.request.target.partition("?")[0]
        getattr(self, path.split("/")[1] or "root", lambda c: c.describe())(call)

    def large(self, call):
        call.read_body()
        call.respond(200, [("X-Sha256", hashlib.sha256(LARGE).hexdigest())], LARGE)

    def trailers(self, call):
        call.read_body()
        body = json.dumps({"trailers": call.request.trailers}).encode()
        reply(call, body, trailers=[("x-digest", hashlib.sha256(body).hexdigest())])

    def empty(self, call):
        call.read_body()
        call.respond(204, [])

    def endless(self, call):
        part = pattern(1 << 16)
        send = call.send_data if isinstance(call, H2Call) else call.send
        if isinstance(call, H2Call):
            call.send_head(200)
        else:
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOO_MUCH_BYTES)
        for _ in range(TOO_MUCH_BYTES >> 16):
            send(part)
            self.sent += len(part)
        if isinstance(call, H2Call):
            call.send_data(b"", end=True)

    def stuck(self, call):
        while not self.release.is_set():
            call.wait(0.01)
        call.describe()


class Setting:
    def __init__(self, front, over, script):
        self.front, self.over, self.script = front, over, script
        self.backend, self.gate = front.backend, front.gate

    def connect(self, **options):
        return h2wire.Client(self.front.port(self.over), tls=self.front.tls(self.over), **options)

    def url(self, path):
        return self.front.url(self.over, path)

    def verify(self, option):
        """What a tool needs to believe the certificate."""
        return [option, str(self.front.authority.certificate)] if self.over == "tls" else []


@pytest.fixture(scope="module")
def fronts(make_front):
    """Both fronts, made when first asked for."""
    made, scripts, backends = {}, {}, []

    def get(protocol):
        if protocol not in made:
            scripts[protocol] = Script()
            backends.append((H2Backend if protocol == "http2" else Backend)(scripts[protocol]))
            made[protocol] = make_front(backends[-1], protocol=protocol)
        return made[protocol], scripts[protocol]
    yield get
    for backend in backends:
        backend.stop()


@pytest.fixture(params=["http1", "http2"])
def protocol(request):
    return request.param


@pytest.fixture(params=["clear", "tls"])
def setting(request, fronts, protocol):
    front, script = fronts(protocol)
    script.release.clear()
    script.sent = 0
    yield Setting(front, request.param, script)
    script.release.set()


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=PATIENCE * 3, **options)


# --- Programs --------------------------------------------------------------------------------------------------


def curl(setting, path, *options):
    """curl's answer as (status, version, body); over TLS the version is settled by ALPN."""
    how = "--http2" if setting.over == "tls" else "--http2-prior-knowledge"
    done = run("curl", "-sS", how, *setting.verify("--cacert"), "-w", "\n%{http_code} %{http_version}", *options,
               setting.url(path))
    assert done.returncode == 0, done
    body, _, last = done.stdout.rpartition(b"\n")
    status, version = last.decode().split()
    return int(status), version, body


def test_curl(setting):
    status, version, body = curl(setting, "/hello")
    assert (status, version) == (200, "2") and json.loads(body)["target"] == "/hello"


def test_curl_large_bodies(setting, tmp_path):
    (tmp_path / "up").write_bytes(LARGE)
    status, version, body = curl(setting, "/echo", "-T", tmp_path / "up")
    assert (status, version) == (200, "2")
    assert json.loads(body)["body_sha256"] == hashlib.sha256(LARGE).hexdigest()
    status, _, body = curl(setting, "/large")
    assert status == 200 and body == LARGE


def test_curl_head(setting):
    status, version, head = curl(setting, "/large", "-I")
    assert (status, version) == (200, "2") and f"content-length: {LARGE_BYTES}".encode() in head.lower()


@gate_only
def test_curl_asking_for_an_upgrade_stays_with_http1(fronts):
    """RFC 9113 §3.1: `Upgrade: h2c` is obsolete, and must neither be done nor be passed on."""
    front, _ = fronts("http1")
    done = run("curl", "-sS", "--http2", "-w", "\n%{http_version}", front.url("clear", "/hello", "http1"))
    body, _, version = done.stdout.decode().rpartition("\n")
    assert version == "1.1", done
    names = {name.lower() for name, _ in json.loads(body)["headers"]}
    assert "http2-settings" not in names and "upgrade" not in names


def test_nghttp(setting):
    """Several resources over one connection, with priorities and padding."""
    done = run("nghttp", "-v", "--no-push", "--padding=8", setting.url("/a"), setting.url("/b"), setting.url("/c"))
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode())
    assert done.returncode == 0 and text.count(":status: 200") == 3, text
    assert "GOAWAY" not in text.split("send GOAWAY")[0] and "ERROR" not in text.replace("NO_ERROR", ""), text


def test_nghttp_upload_with_trailer(setting, tmp_path):
    (tmp_path / "up").write_bytes(LARGE[:1 << 20])
    done = run("nghttp", "-v", "--no-push", "-d", tmp_path / "up", "--trailer", "x-up: done",
               setting.url("/trailers"))
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode())
    assert ":status: 200" in text and "x-digest: " in text, text
    if isinstance(setting.backend, H2Backend) and setting.gate:
        # nghttp says Content-Length, and with it HTTP/1 has no place for trailers.
        assert '["x-up", "done"]' in text, text


def test_h2load(setting):
    done = run("h2load", "-n", 2000, "-c", 4, "-m", 32, setting.url("/hello"))
    text = done.stdout.decode()
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in text, text
    assert "status codes: 2000 2xx" in text, text


# --- Bodies ----------------------------------------------------------------------------------------------------


def test_large_bodies_both_ways(setting):
    with setting.connect() as client:
        answer = client.request("POST", "/echo", body=LARGE)
        assert answer.json()["body_sha256"] == hashlib.sha256(LARGE).hexdigest()
        assert answer.json()["body_length"] == LARGE_BYTES
        assert client.get("/large").body == LARGE


def test_a_small_window_changes_nothing_but_the_pace(setting):
    with setting.connect(window=1000) as client:
        stream = client.start(path="/large")
        while not client.answers[stream].ended:
            got = client.read_frame()
            if got.type == 0 and got.payload:
                client.send(window_update(0, len(got.payload)) + window_update(stream, len(got.payload)))
            if sum(map(len, client.answers[stream].parts)) > 1 << 18:
                break
        assert b"".join(client.answers[stream].parts) == LARGE[:sum(map(len, client.answers[stream].parts))]


def test_trailers_both_ways(setting):
    with setting.connect() as client:
        answer = client.request("POST", "/trailers", body=b"body", trailers=[("x-checksum", "abc")])
        assert answer.status == 200 and answer.reset is None
        assert dict(answer.trailers)["x-digest"] == hashlib.sha256(answer.body).hexdigest()
        if setting.front.gate:
            assert ["x-checksum", "abc"] in [[n.lower(), v] for n, v in answer.json()["trailers"]]


def test_answers_without_a_body(setting):
    with setting.connect() as client:
        head = client.request("HEAD", "/large")
        assert head.status == 200 and head.header("content-length") == str(LARGE_BYTES) and not head.body
        empty = client.get("/empty")
        assert empty.status == 204 and not empty.body and empty.ended
        assert client.request("DELETE", "/x").json()["method"] == "DELETE"


def test_fields_reach_the_backend(setting):
    """RFC 9113 §8.2.3: crumbs of Cookie are one again; RFC 9218: the priority is passed on."""
    with setting.connect() as client:
        answer = client.get("/x?y=z", [("cookie", "a=b"), ("cookie", "c=d"), ("priority", "u=1, i"),
                                       ("te", "trailers"), ("x-test", "ok")])
    seen = answer.json()
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert seen["target"] == "/x?y=z"
    assert fields["x-test"] == "ok" and fields["priority"] == "u=1, i"
    if setting.front.gate:
        assert fields["cookie"] == "a=b; c=d"


# --- Streams beside each other ---------------------------------------------------------------------------------


def test_many_streams_at_once(setting):
    with setting.connect() as client:
        client.settle()
        for _ in range(5):
            streams = {client.start(path=f"/stream/{n}"): n for n in range(90)}
            for stream, n in streams.items():
                answer = client.finish(stream)
                assert answer.status == 200 and answer.json()["target"] == f"/stream/{n}"
    if setting.backend.__class__ is H2Backend and setting.gate:
        # 450 requests share what a worker holds open; a connection each would be no pool.
        assert len(setting.backend.connections) <= 60


def test_answers_come_when_they_are_ready(setting):
    with setting.connect() as client:
        stuck = client.start(path="/stuck")
        for n in range(10):
            assert client.get(f"/quick/{n}").status == 200
        assert not client.answers[stuck].over
        setting.script.release.set()
        assert client.finish(stuck).status == 200


def test_slow_reader_holds_its_own_stream_only(setting):
    """No window for one stream: its backend is slowed down, and another stream is served to its end."""
    with setting.connect(window=65535) as client:
        client.send(window_update(0, 1 << 30))
        slow = client.start(path="/endless")
        client.read_until(lambda: sum(map(len, client.answers[slow].parts)) == 65535, "a window's worth")
        quick = client.start(path="/large")
        client.send(window_update(quick, 1 << 30))
        assert client.finish(quick).body == LARGE
        last = [-1, time.monotonic()]

        def is_at_rest():
            if setting.script.sent != last[0]:
                last[:] = setting.script.sent, time.monotonic()
            return time.monotonic() - last[1] > 0.3
        wait_until(is_at_rest, "the backend to be held back")
        assert setting.script.sent < KERNEL_BYTES + (TOO_MUCH_BYTES - KERNEL_BYTES) // 2
        assert not client.answers[slow].over
        client.send(window_update(slow, 1 << 30))
        assert len(client.finish(slow).body) == TOO_MUCH_BYTES


def test_slow_backend_holds_its_own_upload_only(setting):
    """A backend that does not read one body: that client's stream gets no more window, and another is taken."""
    with setting.connect() as client:
        client.settle()
        slow = client.start("POST", "/stuck", end=False)
        while client.may_send(slow) > 0:  # all that is granted at once
            size = min(16384, client.may_send(slow))
            client.send(h2wire.data(slow, bytes(size)))
            client.spent[slow] += size
            client.spent[0] += size
        assert client.request("POST", "/echo", body=LARGE).json()["body_length"] == LARGE_BYTES
        setting.script.release.set()
        client.send_body(slow, b"the rest")
        answer = client.finish(slow)
        assert answer.status == 200 and answer.json()["body_length"] == client.spent[slow]


def test_stream_that_the_client_gives_up(setting):
    """RST_STREAM ends that exchange, at the backend too, and no other."""
    with setting.connect() as client:
        client.settle()
        before = setting.backend.paths().count("/stuck")
        stuck = client.start(path="/stuck")
        wait_until(lambda: setting.backend.paths().count("/stuck") > before, "the request to arrive")
        client.send(rst_stream(stuck))
        assert client.get("/after").status == 200
        if isinstance(setting.backend, H2Backend):
            wait_until(lambda: setting.backend.resets or all(c.socket.fileno() == -1
                                                             for c in setting.backend.connections), "the reset")
    if setting.gate:
        record = wait_until(lambda: [r for r in setting.gate.records() if r["path"] == "/stuck"
                                     and r.get("reason") == "client_disconnected"], "the record")[-1]
        assert record["verdict"] == "allow"


@gate_only
@pytest.mark.parametrize("over", ["clear", "tls"])
def test_drain_lets_streams_end(make_gate, server_certificate, authority, over):
    """SIGTERM: GOAWAY without an error, the open stream's answer, then the end."""
    script = Script()
    backend = Backend(script)
    front = start_gate(make_gate, backend, server_certificate, authority)
    with h2wire.Client(front.port(over), tls=front.tls(over)) as client:
        stuck = client.start(path="/stuck")
        wait_until(lambda: backend.requests, "the request to arrive")
        front.gate.process.send_signal(signal.SIGTERM)
        client.read_until(lambda: client.goaway, "GOAWAY")
        assert client.goaway[1] == NO_ERROR
        script.release.set()
        assert client.finish(stuck).status == 200
        client.read_to_end()
        assert client.goaway == (stuck, NO_ERROR)
    front.gate.process.wait(PATIENCE)
    backend.stop()
