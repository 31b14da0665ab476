"""WebSocket through the gate: every case of ws_cases.py must go as it goes without a gate, over HTTP/1.1 and HTTP/2,
in clear text and over TLS; access is decided at the handshake, lives through reloads, and ends when one takes it
away."""

import asyncio
import ssl
import threading

import pytest
import websockets

import ws_cases
import ws_wire
from fronts import gate_only
from gate import PATIENCE, run_command, wait_until
from h2_backend import H2Backend
from ws_wire import CLOSE, PING, PONG, TEXT, Client, Refused, close, echo, frame

VERSIONS = ["h1", "h2"]
CARRIERS = [pytest.param("h1", "clear", id="h1"),
            pytest.param("h1", "tls", id="h1-tls"),
            pytest.param("h2", "clear", id="h2"),
            pytest.param("h2", "tls", id="h2-tls")]


@pytest.fixture(scope="module")
def front(make_front, make_shared):
    _, make_backend = make_shared
    return make_front(make_backend(echo))


@pytest.fixture(scope="module")
def direct(make_shared):
    """A backend that is asked without a gate."""
    _, make_backend = make_shared
    return make_backend(echo)


def connect(front, version="h1", over="clear", **options):
    alpn = ("h2",) if version == "h2" else ("http/1.1",)
    return Client(front.port(over, version), version, tls=front.tls(over, alpn), **options)


# --- The cases, with and without a gate ------------------------------------------------------------------------


def transcript(client, pieces):
    """All that the server says to these frames and a close behind them."""
    for piece in pieces:
        octets, size = piece if isinstance(piece, tuple) else (piece, None)
        client.send(octets, size)
    client.send(close())
    return client.read_to_end()


@pytest.fixture(scope="module")
def without_gate(direct):
    """The transcript of the same without a gate, made once for each case."""
    known = {}

    def ask(name, pieces, extra=()):
        if name not in known:
            with Client(direct.port, extra=extra) as client:
                known[name] = transcript(client, pieces)
        return known[name]
    return ask


def code_of(frames):
    last = frames[-1]
    assert last.opcode == CLOSE, frames
    return int.from_bytes(last.payload[:2], "big") if last.payload else None


@pytest.mark.parametrize("version, over", CARRIERS)
@pytest.mark.parametrize("name, pieces, ends", [pytest.param(*c, id=c[0]) for c in ws_cases.CASES])
def test_case(front, without_gate, version, over, name, pieces, ends):
    expected = without_gate(name, pieces)
    assert ends is None or code_of(expected[0]) == ends, expected
    with connect(front, version, over) as client:
        assert transcript(client, pieces) == expected


@pytest.mark.parametrize("version, over", CARRIERS)
@pytest.mark.parametrize("name, pieces, ends", [pytest.param(*c, id=c[0]) for c in ws_cases.DEFLATED])
def test_deflated_case(front, without_gate, version, over, name, pieces, ends):
    expected = without_gate(name, pieces, ws_cases.OFFER)
    assert code_of(expected[0]) == ends, expected
    with connect(front, version, over, extra=ws_cases.OFFER) as client:
        assert "permessage-deflate" in client.answer.header("sec-websocket-extensions")
        assert transcript(client, pieces) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_backend_of_http2(make_front, without_gate, version):
    """RFC 8441 towards the backend, which has no Upgrade."""
    backend = H2Backend(echo)
    try:
        front = make_front(backend, protocol="http2")
        for name, pieces, _ in [*ws_cases.FRAMING, *ws_cases.FRAGMENTS, *ws_cases.CLOSING]:
            with connect(front, version) as client:
                assert transcript(client, pieces) == without_gate(name, pieces), name
        assert {request.pseudo[":protocol"] for request in backend.requests} == {"websocket"}
    finally:
        backend.stop()


@pytest.mark.parametrize("over", ["clear", "tls"])
def test_real_client_and_server(make_front, over):
    """The library most Python programs use, at both ends."""
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def answer(socket):
        async for message in socket:
            await socket.send(message)

    async def serve():
        async with websockets.serve(answer, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:
            serve.port = server.sockets[0].getsockname()[1]
            serve.stopping = asyncio.Event()
            ready.set()
            await serve.stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)

    class Address:
        port, address = serve.port, f"127.0.0.1:{serve.port}"

    front = make_front(Address)

    async def converse():
        scheme = "wss" if over == "tls" else "ws"
        tls = ssl.create_default_context(cafile=str(front.authority.certificate)) if over == "tls" else None
        async with websockets.connect(f"{scheme}://127.0.0.1:{front.port(over, 'h1')}/", ssl=tls, max_size=None,
                                      subprotocols=["superchat", "chat"]) as socket:
            assert socket.subprotocol == "chat"
            for message in ["hello", b"\0\1", "ü" * 500000, b"x" * (3 << 20)]:
                await socket.send(message)
                assert await socket.recv() == message
            await (await socket.ping())
    asyncio.run(converse())
    loop.call_soon_threadsafe(serve.stopping.set)
    thread.join(20)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_at_once(front, version):
    clients = [connect(front, version) for _ in range(50)]
    for round_ in range(3):
        for n, client in enumerate(clients):
            client.send(frame(TEXT, f"{n} in {round_}"))
        for n, client in enumerate(clients):
            assert client.read_frame().payload == f"{n} in {round_}".encode()
    for client in clients:
        client.carrier.close()


# --- Access ----------------------------------------------------------------------------------------------------

GATE = """\
providers:
  robots: { api_keys: { file: keys.yaml } }
"""

CHAT = """\
match: { path: /chat }
%saccess:
  - { name: open, allow: anyone, on: GET /chat/open }
  - { name: with a key, allow: { provider: robots } }
"""
OTHER = "match: { path: /other }\naccess: [{ allow: anyone }]\n"


@pytest.fixture
def guarded(make_gate, make_backend):
    """guarded(service keys): a gate before /chat, which wants a key but for /chat/open."""
    def make(keys="", environ=None):
        backend = make_backend(echo)
        gate = make_gate({"services/chat.yaml": CHAT % keys, "services/other.yaml": OTHER}, [backend], gate=GATE,
                         local={"chat": f'"{backend.address}"', "other": f'"{backend.address}"'}, start=False)
        gate.key = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner",
                               "ci").stdout.split()[0]
        return gate.start()
    return make


def with_key(gate):
    return [("X-Api-Key", gate.key)]


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_is_decided_like_any_request(guarded, version):
    gate = guarded()
    for extra, status, reason in [([], 401, "credential_missing"), ([("X-Api-Key", "gh_x")], 401,
                                                                    "credential_invalid")]:
        with pytest.raises(Refused) as refused:
            Client(gate.port, version, path="/chat/room", extra=extra)
        assert refused.value.answer.status == status and refused.value.answer.reason == reason
    with Client(gate.port, version, path="/chat/room", extra=with_key(gate)) as client:
        client.echo()
        client.send(close())
        client.read_to_end()
        identifier = client.answer.header("x-request-id")
    record = gate.record(identifier)
    assert record["verdict"] == "allow" and record["rule_name"] == "with a key"
    assert record["status"] == 101 and "reason" not in record  # over HTTP/2 too, where 200 says it
    assert [r.header("x-api-key") for r in gate.backends[0].requests] == [None]


def change_and_wait(gate, change):
    before = gate.generation()
    change()
    wait_until(lambda: gate.generation() > before, "the new generation")


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
def test_lives_through_reloads(guarded, version):
    gate = guarded()
    with Client(gate.port, version, path="/chat/room", extra=with_key(gate)) as client:
        client.echo("before")
        for change in [lambda: gate.write("services/other.yaml", OTHER + "limits: { body: 1KiB }\n"),
                       lambda: gate.write("services/chat.yaml", CHAT % "limits: { body: 1MiB }\n"),
                       lambda: gate.write("services/third.yaml", OTHER.replace("other", "third")
                                          + 'forward: { to: "${other}" }\n'),
                       lambda: gate.remove("services/third.yaml")]:
            change_and_wait(gate, change)
            client.echo("still here")


TAKEN_AWAY = {
    "a rule denies": lambda gate: gate.write("services/chat.yaml", CHAT % "" + "  - { name: closed, deny: anyone }\n"),
    "no rule allows": lambda gate: gate.write("services/chat.yaml", (CHAT % "").replace("provider: robots",
                                                                                       "subjects: [nobody]")),
    "the key is revoked": lambda gate: gate.write("keys.yaml", "keys: []\n"),
    "the gate denies": lambda gate: gate.write("gatehouse.yaml", (gate.folder / "gatehouse.yaml").read_text()
                                               + "access: [{ deny: anyone, on: GET /chat/** }]\n"),
    "the service is gone": lambda gate: gate.remove("services/chat.yaml"),
}


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_closed_when_access_is_taken_away(guarded, version, name):
    gate = guarded()
    with Client(gate.port, version, path="/chat/room", extra=with_key(gate)) as client, \
            Client(gate.port, version, path="/other") as bystander:
        client.echo()
        TAKEN_AWAY[name](gate)
        frames, rest = client.read_to_end()
        assert [f.opcode for f in frames] == [CLOSE] and code_of(frames) == 1008 and not rest
        bystander.echo("unharmed")
    record = gate.record(client.answer.header("x-request-id"))
    assert record["reason"] == "access_withdrawn" and record["verdict"] == "allow", record
    # The backend is told as well, in a frame of its own.
    wait_until(lambda: any(c.socket.fileno() == -1 for c in gate.backends[0].connections), "the backend's end")


@gate_only
def test_close_is_never_put_into_a_frame(guarded, make_backend):
    """Access goes while half a frame of the backend has been passed on."""
    gate = guarded()
    go_on = threading.Event()

    def half_a_frame(call):
        accept = ws_wire.accept_of(call.request.header("sec-websocket-key"))
        call.send((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode() + b"\x81\x7e\x03\xe8" + b"a" * 500)
        go_on.wait(20)
        call.send(b"b" * 500 + b"\x81\x03abc")
        while True:
            call.connection.more()  # until the gate has closed

    gate.backends[0].script = half_a_frame
    with Client(gate.port, path="/chat/room", extra=with_key(gate)) as client:
        client.unread = client.carrier.receive()
        change_and_wait(gate, lambda: TAKEN_AWAY["a rule denies"](gate))
        go_on.set()
        frames, rest = client.read_to_end()
    assert not rest
    assert frames[0].payload == b"a" * 500 + b"b" * 500
    assert code_of(frames) == 1008 and len(frames) <= 3


# --- Origin, idle time -----------------------------------------------------------------------------------------


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
def test_origins(guarded, version):
    gate = guarded("websocket: { origins: [\"https://app.example.com\"] }\n")
    for origin in ["https://app.example.com", "HTTPS://APP.example.com"]:
        with Client(gate.port, version, path="/chat/open", extra=[("Origin", origin)]) as client:
            client.echo()
    for extra in [[("Origin", "https://evil.example")], [("Origin", "http://app.example.com")],
                  [("Origin", "https://app.example.com:8443")], [("Origin", "null")],
                  [("Origin", "https://app.example.com.evil.example")]]:
        with pytest.raises(Refused) as refused:
            Client(gate.port, version, path="/chat/open", extra=extra)
        answer = refused.value.answer
        assert answer.status == 403 and gate.record(answer)["reason"] == answer.reason
    with pytest.raises(Refused) as refused:  # a program too names one of them
        Client(gate.port, version, path="/chat/open")
    assert refused.value.answer.reason == "origin_refused"
    # An ordinary request has no such limit.
    assert gate.get("/chat/open", {"Origin": "https://evil.example"}).status == 200


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
def test_idle_limit(guarded, version):
    """An idle one ends; one that does nothing but ping is not idle."""
    gate = guarded("websocket: { idle_timeout: 1s }\n")
    with Client(gate.port, version, path="/chat/open") as idle, \
            Client(gate.port, version, path="/chat/open") as alive:
        idle.echo()
        done = []
        threading.Thread(target=lambda: done.append(idle.read_to_end()), daemon=True).start()

        def still_waiting():
            alive.send(frame(PING, "x"))
            assert alive.read_frame().opcode == PONG
            return done
        frames, rest = wait_until(still_waiting, "the idle one's end")[0]
        assert not rest and (not frames or code_of(frames) in (1001, 1008))
        alive.echo()


@gate_only
@pytest.mark.parametrize("version", VERSIONS)
def test_drain_ends_it(guarded, version):
    gate = guarded()
    with Client(gate.port, version, path="/chat/open") as client:
        client.echo()
        gate.process.terminate()
        frames, rest = client.read_to_end()
    gate.process.wait(PATIENCE)
    assert not rest and (not frames or code_of(frames) == 1001)
