"""Clients that try to keep a gate busy. One does, another's answers must go on coming, the attacker's connection ends
where nothing else bounds what it costs, and the gate's memory stays what it was. How fast the other's answers are
is for bench to measure; nothing here looks at a clock."""

import contextlib
import socket
import ssl
import threading

import pytest

import h2wire
import wire
from fronts import LISTENERS, SERVICE, TLS_LISTENER, gate_only
from gate import IS_SANITIZED, wait_until
from h2_frames import (PREFACE, S_HEADER_TABLE_SIZE, S_INITIAL_WINDOW_SIZE, T_DATA, T_PRIORITY, block, continuation,
                       data, frame, headers, integer, ping, priority_fields, request, request_fields, rst_stream,
                       settings, text, window_update)

pytestmark = gate_only

GATE = "timeouts: { head: 3s, send: 3s, idle: 5s }\n"
LARGE_BYTES = 8 << 20
# What an attack may make the gate hold beyond what it held; sanitizers keep what is freed.
GROWTH_KIB_MAX = (1 << 20) if IS_SANITIZED else 64 << 10
FRAMES_MAX = 200_000  # of one attack; each is cut long before, or costs nothing
STREAM_MAX = 2**31 - 1


# --- The attacks -----------------------------------------------------------------------------------------------
# Each yields bytes for as long as it is let; ENDS are those whose connection the gate must end by itself.


def streams():
    return iter(range(1, STREAM_MAX, 2))


def rapid_reset():
    """CVE-2023-44487"""
    for stream in streams():
        yield request(stream, path="/large") + rst_stream(stream)


def rapid_reset_of_uploads():
    for stream in streams():
        yield request(stream, "POST", end=False) + data(stream, b"x" * 100) + rst_stream(stream)


def made_to_reset():
    """CVE-2025-8671: it is the gate that resets, and is asked to."""
    for stream in streams():
        yield request(stream, path="/large") + window_update(stream, 0)


def malformed_requests():
    for stream in streams():
        yield headers(stream, block([*request_fields(), ("X-UPPER", "x")]), end=True)


def half_closed_data():
    for stream in streams():
        yield request(stream, path="/large") + data(stream, b"x")


def continuations():
    """CVE-2024-27316"""
    yield headers(1, block(request_fields()), flags=0)
    while True:
        yield continuation(1, block([("x-a", "b" * 1000)]), flags=0)


def empty_continuations():
    yield headers(1, block(request_fields()), flags=0)
    while True:
        yield continuation(1, b"", flags=0)


def settings_flood():
    while True:
        yield settings((S_INITIAL_WINDOW_SIZE, 65535)) * 20


def large_settings():
    while True:
        yield settings(*[(S_HEADER_TABLE_SIZE, n) for n in range(2000)])


def ping_flood():
    while True:
        yield ping() * 50


def empty_data():
    """CVE-2019-9518"""
    yield request(1, "POST", end=False)
    while True:
        yield data(1) * 50


def priorities():
    while True:
        for stream in range(1, 2000, 2):
            yield frame(T_PRIORITY, 0, stream, priority_fields(0, 16))


def window_updates():
    yield request(1, path="/large") + settings((S_INITIAL_WINDOW_SIZE, 0))
    while True:
        yield window_update(1, 1)


def unknown_frames():
    while True:
        yield frame(0xfa, 0, 0, b"x" * 100) * 20


def hpack_bomb():
    """A few bytes that name a large field of the dynamic table, again and again."""
    yield headers(1, block(request_fields()) + b"\x40" + text("x-bomb") + text("a" * 3900), end=True)
    for stream in range(3, STREAM_MAX, 2):
        yield headers(stream, block(request_fields()) + integer(62, 7, 0x80) * 16000, end=True)


def large_heads():
    for stream in streams():
        yield request(stream, extra=[(f"x-{n}", "a" * 900) for n in range(15)])


def garbage():
    yield b"\0\0\0" + b"\xff" * 1000


ENDS = [rapid_reset, rapid_reset_of_uploads, made_to_reset, malformed_requests, half_closed_data, continuations,
        empty_continuations, settings_flood, large_settings, ping_flood, empty_data, hpack_bomb, garbage]
MAY_GO_ON = [priorities, window_updates, unknown_frames, large_heads]


# --- The setting -----------------------------------------------------------------------------------------------


@pytest.fixture
def gate(make_gate, make_backend, server_certificate):
    def script(call):
        call.read_body()
        if call.request.target == "/large":
            return call.respond(200, [], bytes(LARGE_BYTES))
        call.describe()
    backend = make_backend(script)
    listener = TLS_LISTENER % server_certificate.pair
    return make_gate({"gatehouse.yaml": LISTENERS % listener + GATE, "services/s.yaml": SERVICE % ""}, [backend],
                     local={"s": f'"{backend.address}"'})


class Attack:
    """Sends what a generator yields in a thread of its own, reading nothing, until it is cut off or told to stop."""

    def __init__(self, port, source, preface=PREFACE + settings()):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=1)
        self.socket.settimeout(0.5)
        self.ended, self.stopping = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, args=(preface, source), daemon=True)
        self.thread.start()

    def run(self, preface, source):
        with contextlib.suppress(OSError):
            self.socket.sendall(preface)
            waiting = b""
            for _, part in zip(range(FRAMES_MAX), source):
                waiting += part
                if len(waiting) >= 4096 and not self.send(waiting):
                    return
                waiting = waiting if len(waiting) < 4096 else b""
            self.send(waiting)
            while not self.stopping.is_set():
                try:
                    if self.socket.recv(1 << 16) == b"":
                        break
                except TimeoutError:
                    pass
        self.ended.set()

    def send(self, octets):
        """True when all went. A gate that takes no more holds the attacker back, which is as good."""
        view = memoryview(octets)
        while len(view):
            if self.stopping.is_set():
                return False
            try:
                view = view[self.socket.send(view):]
            except TimeoutError:
                pass
        return True

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.socket.close()


def ask_beside(gate, count=30):
    """Another client, over HTTP/1.1 and HTTP/2: every answer comes."""
    with gate.client() as one, h2wire.Client(gate.port) as two:
        for _ in range(count):
            assert one.get("/beside").status == 200
            assert two.get("/beside").status == 200


def check_memory(gate, before):
    grown = gate.memory_kib() - before
    assert grown < GROWTH_KIB_MAX, f"{grown} KiB more"


@pytest.mark.parametrize("source", ENDS + MAY_GO_ON, ids=lambda source: source.__name__)
def test_flood(gate, source):
    ask_beside(gate, 5)
    before = gate.memory_kib()
    attacks = [Attack(gate.port, source()) for _ in range(2)]
    try:
        ask_beside(gate)
        if source in ENDS:
            for attack in attacks:
                wait_until(attack.ended.is_set, "the attacker's end")
        check_memory(gate, before)
    finally:
        for attack in attacks:
            attack.stop()
    ask_beside(gate, 5)


def test_resets_cost_no_backend(gate):
    """The requests of a rapid reset reach the backend no oftener than the gate lets a client reset."""
    attack = Attack(gate.port, rapid_reset())
    wait_until(attack.ended.is_set, "the attacker's end")
    attack.stop()
    gate.balance()
    assert len(gate.backends[0].requests) < 3000


def test_zero_windows(gate):
    """Answers that nobody takes: bounded while they wait, and then their client is cut off."""
    ask_beside(gate, 5)
    before = gate.memory_kib()
    clients = [h2wire.Client(gate.port, window=0) for _ in range(3)]
    for client in clients:
        for _ in range(50):
            client.start(path="/large")
    ask_beside(gate)
    check_memory(gate, before)
    wait_until(lambda: [r.get("reason") for r in gate.records()].count("client_stalled") >= 150, "their records")
    ask_beside(gate, 5)
    for client in clients:
        client.close()


def test_connection_window_of_nothing(gate):
    """The streams' windows are wide and the connection's is not given back."""
    before = gate.memory_kib()
    with h2wire.Client(gate.port, window=65535, settings_sent={S_INITIAL_WINDOW_SIZE: STREAM_MAX}) as client:
        for _ in range(50):
            client.start(path="/large")
        client.read_until(lambda: sum(len(f.payload) for f in client.frames if f.type == T_DATA) == 65535, "DATA")
        ask_beside(gate)
        check_memory(gate, before)


# --- Slow beginnings -------------------------------------------------------------------------------------------


def hold_open(port, beginnings, each=50):
    """Connections that say so much and no more."""
    held = []
    for octets in beginnings * each:
        held.append(wire.Client(port))
        held[-1].send(octets)
    return held


def check_held(gate, held, before):
    ask_beside(gate)
    check_memory(gate, before)
    for client in held:
        client.read_to_end()  # cut off, whatever was said first
        client.close()
    ask_beside(gate, 5)


def test_slow_beginnings(gate):
    before = gate.memory_kib()
    beginnings = [PREFACE[:10], PREFACE, PREFACE + settings() + b"\0\0\x10",
                  PREFACE + settings() + headers(1, block(request_fields()), flags=0)]
    check_held(gate, hold_open(gate.port, beginnings), before)


def client_hello():
    """The first bytes that OpenSSL would send."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = h2wire.client_tls().wrap_bio(incoming, outgoing, server_hostname="gate.test")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def test_slow_handshakes(gate):
    """Nothing, a record's head, half a hello, and one whose answer is never answered."""
    hello = client_hello()
    before = gate.memory_kib()
    held = hold_open(gate.port_of(1), [b"", hello[:5], hello[:len(hello) // 2], hello])
    with h2wire.Client(gate.port_of(1), tls=h2wire.client_tls()) as client:
        for _ in range(10):
            assert client.get("/beside").status == 200
    check_held(gate, held, before)


def test_handshakes_again_and_again(gate):
    """New connections beside a storm of handshakes are served."""
    storm = [Attack(gate.port_of(1), iter(()), client_hello()) for _ in range(30)]
    try:
        for _ in range(10):
            with h2wire.Client(gate.port_of(1), tls=h2wire.client_tls()) as client:
                assert client.get("/beside").status == 200
    finally:
        for attack in storm:
            attack.stop()
