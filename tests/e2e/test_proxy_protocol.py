"""The PROXY protocol: who a client really is, said by a balancer in front of the gate (believed from trusted sources
alone), and said by the gate to backends that ask for it."""

import contextlib
import socket
import struct

import pytest

import h2wire
import wire
from backend import Backend, Call
from gate import wait_until
from h2wire import client_tls
from tls_wire import in_folder

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

GATE = """\
listen:
  - address: "127.0.0.1:0"
    trusted_proxies: [%s]
    proxy_protocol: required
%sadmin: { address: "127.0.0.1:0" }
workers: 2
log: { access: { file: access.log } }
"""

SERVICE = """\
match: { path: / }
access:
  - { name: inside, allow: anyone, from: ["192.0.2.0/24", "2001:db8::/32"], on: GET /inside }
  - { name: open, allow: anyone, on: GET /open }
"""


def v1(source="192.0.2.7", target="198.51.100.1", port=5555, kind=None):
    kind = kind or ("TCP6" if ":" in source else "TCP4")
    return f"PROXY {kind} {source} {target} {port} 443\r\n".encode()


def v2(source="192.0.2.7", target="198.51.100.1", port=5555, command=1, more=b"", family=None, length=None):
    is_6 = ":" in source
    pack = socket.inet_pton
    kind = socket.AF_INET6 if is_6 else socket.AF_INET
    body = pack(kind, source) + pack(kind, target) + struct.pack(">HH", port, 443) + more
    family = family if family is not None else (0x21 if is_6 else 0x11)
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(body) if length is None else length) + body


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


# What a balancer may say, and the client that is meant; None: the balancer itself.
GOOD = {
    "v1 of IPv4": (v1(), "192.0.2.7"),
    "v1 of IPv6": (v1("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with addresses": (b"PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", None),
    "v2 of IPv4": (v2(), "192.0.2.7"),
    "v2 of IPv6": (v2("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
    "v2 local": (v2(command=0), None),
    "v2 local without addresses": (SIGNATURE + b"\x20\0\0\0", None),
    "v2 of an unspecified family": (v2(family=0), None),
    "v2 with more fields": (v2(more=tlv(1, b"h2") + tlv(2, b"gate.test") + tlv(4, bytes(100))), "192.0.2.7"),
}
LONG = b"PROXY TCP4 " + b"1" * 200 + b"\r\n"
BAD = {
    "a plain request": wire.head("GET", "/open"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "v1 without an end": LONG, "v1 with LF alone": v1().replace(b"\r\n", b"\n"),
    "v1 of another family": v1(kind="TCP5"), "v1 whose family does not fit": v1(kind="TCP6"),
    "v1 with a port too large": v1(port=65536), "v1 with a port of -1": v1(port=-1),
    "v1 with an address that is none": v1("192.0.2.256"), "v1 with a name": v1("client.test"),
    "v1 with a leading zero": v1("192.0.2.07"), "v1 with two spaces": v1().replace(b" ", b"  ", 1),
    "v1 with a field more": v1().replace(b" 443", b" 443 1"), "v1 in small letters": v1().replace(b"PROXY", b"proxy"),
    "v2 of version 1": v2().replace(b"\x21\x11", b"\x11\x11", 1), "v2 with a command of 2": v2(command=2),
    "v2 too short for its family": SIGNATURE + b"\x21\x11\0\x04abcd",
}


@pytest.fixture
def gate(make_gate, backend):
    return behind(make_gate, backend)


def behind(make_gate, backend, trusted='"127.0.0.0/8"', more=""):
    return make_gate({"gatehouse.yaml": GATE % (trusted, more), "services/s.yaml": SERVICE}, [backend],
                     local={"s": f'"{backend.address}"'})


def say(port, header, rest=b"", source=None):
    """What is answered behind a header until the gate closes."""
    with wire.Client(port, source=source) as client:
        with contextlib.suppress(OSError):
            client.send(header + rest)
            client.socket.shutdown(socket.SHUT_WR)
        return client.read_to_end()


def test_good_headers(gate, backend):
    for name, (header, client_meant) in GOOD.items():
        with wire.Client(gate.port) as client:
            client.send(header)
            answer = client.get("/open")
            assert answer.status == 200, name
            assert client.get("/open").status == 200, name  # one header is for the whole connection
            allowed = client.get("/inside")
            assert (allowed.status == 200) == bool(client_meant), name
        record = gate.record(answer)
        assert record["client"] == (client_meant or "127.0.0.1"), name
        fields = {n.lower(): v for n, v in answer.json()["headers"]}
        assert fields["x-forwarded-for"] == (client_meant or "127.0.0.1"), name


def test_headers_in_pieces(gate):
    """Split at every byte, and with the request in the same piece."""
    for header in [v1(), v2()]:
        for size in [1, 5, 13]:
            with wire.Client(gate.port) as client:
                client.send(header, size=size, pause=0.001)
                assert client.get("/inside").status == 200
        with wire.Client(gate.port) as client:
            client.send(header + wire.head("GET", "/inside"))
            assert client.read_response().status == 200


def test_malformed_headers(gate, backend):
    """Cut off without an answer: nobody is there who would understand one."""
    for name, header in BAD.items():
        assert say(gate.port, header, wire.head("GET", "/open")) == b"", name
    for header in [v1(), v2()]:
        for count in range(len(header)):
            assert say(gate.port, header[:count]) == b"", count
    assert not backend.requests
    with wire.Client(gate.port) as client:
        client.send(v1())
        assert client.get("/open").status == 200


def test_untrusted_sources_may_not_connect(make_gate, backend):
    gate = behind(make_gate, backend, trusted='"127.0.0.9"')
    for header in [v1(), v2(), b""]:
        assert say(gate.port, header, wire.head("GET", "/open")) == b""
    assert not backend.requests
    with wire.Client(gate.port, source="127.0.0.9") as client:
        client.send(v1())
        assert client.get("/inside").status == 200


def test_header_is_not_read_where_it_is_not_asked_for(open_gate):
    for header in [v1(), v2()]:
        assert say(open_gate.port, header, wire.head("GET", "/")).startswith(b"HTTP/1.1 400 ")


def test_in_front_of_tls(make_gate, backend, server_certificate):
    tls = "    tls: { certificate: certs/a.pem, key: certs/a.key }\n"
    gate = make_gate({"gatehouse.yaml": GATE % ('"127.0.0.0/8"', tls), "services/s.yaml": SERVICE,
                      **in_folder(a=server_certificate)}, [backend], local={"s": f'"{backend.address}"'})

    class Behind:
        """Wraps a socket as an SSLContext does, once the header is sent."""
        @staticmethod
        def wrap_socket(connection, **options):
            connection.sendall(v2())
            return client_tls().wrap_socket(connection, **options)

    with h2wire.Client(gate.port, tls=Behind) as client:
        answer = client.get("/inside")
    assert answer.status == 200 and gate.record(answer)["client"].startswith("192.0.2.7")


# --- To backends -----------------------------------------------------------------------------------------------


class HeaderedBackend(Backend):
    """Reads the PROXY header in front of each connection; .clients has what each says."""

    def __init__(self, script=None):
        self.clients = []
        super().__init__(script)

    def _serve(self, connection):
        try:
            self.clients.append(self._read_header(connection))
        except Exception:
            self.unparsed.append(connection.buffer)
            return connection.close()
        super()._serve(connection)

    def _read_header(self, connection):
        while len(connection.buffer) < 16:
            connection.more()
        if connection.buffer.startswith(b"PROXY "):
            _, kind, source, target, port, _ = connection.until(b"\r\n").decode().split(" ")
            return kind, source, target, int(port)
        head = b"".join(connection.exactly(16))
        assert head.startswith(SIGNATURE)
        command, family, length = struct.unpack(">BBH", head[12:])
        body = b"".join(connection.exactly(length))
        assert command == 0x21
        size, kind = (4, socket.AF_INET) if family == 0x11 else (16, socket.AF_INET6)
        source, target = (socket.inet_ntop(kind, body[n * size:(n + 1) * size]) for n in (0, 1))
        return "v2", source, target, struct.unpack(">H", body[2 * size:2 * size + 2])[0]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_sent_to_backends(make_gate, version):
    """Each connection to the backend serves the one client that it was announced for."""
    backend = HeaderedBackend()
    gate = make_gate({"services/s.yaml": "match: { path: / }\naccess: [{ allow: anyone }]\n"
                      f"forward: {{ to: \"{backend.address}\", proxy_protocol: {version} }}\n"}, [backend])
    ports = []
    for n in range(4):
        with gate.client() as client:
            ports.append(client.socket.getsockname()[1])
            for _ in range(3):
                assert client.get(f"/{n}").status == 200
    assert {known[:2] for known in backend.clients} == {("TCP4" if version == "v1" else "v2", "127.0.0.1")}
    announced = {connection: known[3] for connection, known in zip(backend.connections, backend.clients)}
    assert [announced[r.connection] for r in backend.requests] == [ports[int(r.target[1])] for r in backend.requests]
    wait_until(lambda: all(c.socket.fileno() == -1 for c in backend.connections), "the ends, with each client's own")
    backend.stop()


def test_client_of_a_balancer_is_passed_on(make_gate):
    backend = HeaderedBackend(Call.describe)
    gate = make_gate({"gatehouse.yaml": GATE % ('"127.0.0.0/8"', ""), "services/s.yaml": SERVICE +
                      f"forward: {{ to: \"{backend.address}\", proxy_protocol: v2 }}\n"}, [backend])
    for header, source in [(v1(), "192.0.2.7"), (v2("2001:db8::7", "2001:db8::1"), "2001:db8::7")]:
        with wire.Client(gate.port) as client:
            client.send(header)
            assert client.get("/inside").status == 200
        assert backend.clients[-1][1] == source
    backend.stop()
