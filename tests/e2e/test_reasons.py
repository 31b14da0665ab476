"""The failures that need somebody who will not read: a client and a backend that take nothing more, and an
issuer whose keys cannot be had."""

import contextlib
import socket
import threading

import wire
from backend import unused_port
from gate import wait_until
from tokens import Issuer

# More than the buffers of every socket on the way can hold.
TOO_MUCH_BYTES = 64 << 20

IMPATIENT = """\
timeouts: { send: 500ms }
"""

SERVICE = """\
match: { path: / }
%saccess: [{ allow: anyone }]
"""


def test_client_that_stops_reading_is_cut_off(make_gate, make_backend):
    def script(call):
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOO_MUCH_BYTES)
        for _ in range(TOO_MUCH_BYTES >> 16):
            call.send(bytes(1 << 16))

    backend = make_backend(script)
    gate = make_gate({"services/s.yaml": SERVICE % ""}, [backend], gate=IMPATIENT,
                     local={"s": f'["{backend.address}"]'})
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", gate.port))
        client.sendall(wire.head("GET", "/large"))
        record = wait_until(gate.records, "the record")[0]
    assert record["reason"] == "client_stalled" and record["phase"] == "relay"
    assert record["verdict"] == "allow" and record["status"] == 200
    # A client must not hold a backend's connection: it is closed, not kept.
    wait_until(lambda: all(c.socket.fileno() == -1 for c in backend.connections), "the end of the backend's connection")


def test_backend_that_stops_taking_a_body(make_gate, make_backend):
    backend = make_backend(lambda call: call.wait(60))
    gate = make_gate({"services/s.yaml": SERVICE % "forward: { response_timeout: 500ms }\n"}, [backend],
                     local={"s": f'["{backend.address}"]'})

    def send_body(client):
        with contextlib.suppress(OSError):  # refused while it was still being sent
            for _ in range(TOO_MUCH_BYTES >> 16):
                client.send(bytes(1 << 16))

    with gate.client() as client:
        client.send(wire.head("POST", "/", [("Content-Length", TOO_MUCH_BYTES)]))
        sender = threading.Thread(target=send_body, args=(client,))
        sender.start()
        answer = client.read_response()
        client.reset()
        sender.join()
    assert answer.status == 504 and answer.reason == "connection_write_timeout"
    record = gate.record(answer)
    assert record["reason"] == "connection_write_timeout" and record["bytes_received"] < TOO_MUCH_BYTES
    assert record["attempts"][0]["outcome"] == "connection_write_timeout"


def test_keys_that_cannot_be_fetched(make_gate, backend):
    """A token that may well be good is neither let in nor called bad; who needs none is served."""
    issuer = Issuer()
    providers = f"""\
providers:
  partners:
    jwt:
      issuer: "{issuer.name}"
      audience: [orders]
      jwks: "http://127.0.0.1:{unused_port()}/jwks"
      algorithms: [ES256]
"""
    gate = make_gate({"services/s.yaml": """\
match: { path: / }
access:
  - { allow: anyone, on: GET /open }
  - { allow: { provider: partners } }
"""}, [backend], gate=providers, local={"s": f'["{backend.address}"]'})
    assert gate.get("/open").status == 200
    answer = gate.get("/orders", issuer.bearer("ES256"))
    assert answer.status == 503 and answer.reason == "key_set_unavailable"
    assert gate.record(answer)["phase"] == "authenticate"
    assert backend.paths() == ["/open"]
