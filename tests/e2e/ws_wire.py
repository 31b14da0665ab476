"""WebSocket on raw bytes: a client that sends frames right or wrong, over HTTP/1.1 or an extended CONNECT of HTTP/2
(RFC 8441), and an echo server on wsproto for backends of both versions. The server takes byte after byte in one
thread, so that what it answers depends on nothing but what it was sent."""

import base64
import collections
import contextlib
import hashlib
import os
import socket
import struct

import wsproto.connection
import wsproto.events
import wsproto.extensions

import h2wire
import wire
from backend import Ended
from h2_backend import H2Call
from h2_frames import S_ENABLE_CONNECT_PROTOCOL, block, data, headers

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")

Frame = collections.namedtuple("Frame", "fin rsv opcode payload")


def masked(payload, mask=MASK):
    if not payload:
        return b""
    key = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True):
    payload = payload.encode() if isinstance(payload, str) else payload
    length = len(payload)
    first = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if length < 126:
        size = bytes([bit | length])
    elif length < 1 << 16:
        size = bytes([bit | 126]) + struct.pack(">H", length)
    else:
        size = bytes([bit | 127]) + struct.pack(">Q", length)
    return first + size + (MASK + masked(payload) if mask else payload)


def close(code=1000, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def parse(octets):
    """The whole frames at the beginning of a server's bytes, and what is left."""
    found = []
    while len(octets) >= 2:
        length, at = octets[1] & 0x7f, 2
        assert not octets[1] & 0x80, "a server's frame is masked"
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(octets[2:2 + size], "big"), 2 + size
        if len(octets) < at + length:
            break
        found.append(Frame(octets[0] >> 7, octets[0] >> 4 & 7, octets[0] & 15, octets[at:at + length]))
        octets = octets[at + length:]
    return found, octets


# --- The client ------------------------------------------------------------------------------------------------


class Refused(Exception):
    """The handshake was answered otherwise; .answer is what came."""

    def __init__(self, answer):
        super().__init__(repr(answer))
        self.answer = answer


class Http1Carrier:
    def __init__(self, port, path="/", extra=(), tls=None, host="gate.test"):
        self.client = wire.Client(port)
        if tls:
            self.client.socket = tls.wrap_socket(self.client.socket, server_hostname=host.split(":")[0])
        key = base64.b64encode(os.urandom(16)).decode()
        self.client.send(wire.head("GET", path, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                                 ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13"),
                                                 *extra], host=host))
        self.answer = self.client.read_response()
        if self.answer.status != 101:
            self.client.close()
            raise Refused(self.answer)
        assert self.answer.header("upgrade").lower() == "websocket", self.answer
        assert self.answer.header("sec-websocket-accept") == accept_of(key), self.answer

    def send(self, octets):
        self.client.send(octets)

    def receive(self):
        """Some bytes, or b"" at the end."""
        got, self.client.buffer = self.client.buffer, b""
        try:
            return got or self.client.socket.recv(1 << 17)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def close(self):
        self.client.close()


class Http2Carrier:
    def __init__(self, port, path="/", extra=(), tls=None, host="gate.test"):
        self.client = h2wire.Client(port, tls=tls, name=host).settle()
        assert self.client.settings.get(S_ENABLE_CONNECT_PROTOCOL) == 1, self.client.settings
        self.stream = self.client.open_stream()
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", self.client.scheme),
                  (":authority", host), (":path", path), ("sec-websocket-version", "13"),
                  *((name.lower(), value) for name, value in extra)]
        self.client.send(headers(self.stream, block(fields)))
        self.answer = self.client.answers[self.stream]
        self.client.read_until(lambda: self.answer.status or self.answer.over, "the handshake's answer")
        if self.answer.status != 200:
            self.client.read_until(lambda: self.answer.over, "its end")
            self.client.close()
            raise Refused(self.answer)
        self.taken = 0

    def send(self, octets):
        """Reads while there is no window; gives up when the stream is over."""
        self.client.send_body(self.stream, octets, end=False)

    def receive(self):
        self.client.read_until(lambda: len(self.answer.parts) > self.taken or self.answer.over, "a frame")
        got = b"".join(self.answer.parts[self.taken:])
        self.taken = len(self.answer.parts)
        return got

    def close(self):
        if self.answer.reset is None:
            with contextlib.suppress(OSError):
                self.client.send(data(self.stream, b"", end=True))
        self.client.close()


class Client:
    """One WebSocket. Usable in `with`."""

    def __init__(self, port, version="h1", **options):
        self.carrier = (Http1Carrier if version == "h1" else Http2Carrier)(port, **options)
        self.answer, self.unread, self.frames = self.carrier.answer, b"", []
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.carrier.close()

    def send(self, octets, size=None):
        """All of it, or with size in pieces of so many bytes."""
        try:
            for at in range(0, len(octets), size or len(octets) or 1):
                self.carrier.send(octets[at:at + (size or len(octets))])
        except (OSError, h2wire.GoneAway):
            pass  # the server has ended it; what it said is still to be read

    def read_frame(self):
        """The next frame; None at the end."""
        while not self.frames:
            got = self.carrier.receive()
            if not got:
                self.ended = True
                return None
            self.frames, self.unread = parse(self.unread + got)
        return self.frames.pop(0)

    def read_to_end(self):
        """All frames until the server ends the connection, and what was left of one that is not whole."""
        found = []
        while got := self.read_frame():
            found.append(got)
        return found, self.unread

    def echo(self, text="hello"):
        """Sends a message and takes it back."""
        self.send(frame(TEXT, text))
        got = self.read_frame()
        assert got == Frame(1, 0, TEXT, text.encode()), got


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


# --- The server ------------------------------------------------------------------------------------------------


def agree(request):
    """The handshake's answer, and the extensions in use: permessage-deflate when it is offered."""
    headers_sent, extensions = [], []
    if offer := request.header("sec-websocket-extensions"):
        deflate = wsproto.extensions.PerMessageDeflate()
        accepted = deflate.accept(offer.split(",")[0])
        if accepted is not None:
            name = deflate.name + ("; " + accepted if accepted is not True and accepted else "")
            headers_sent.append(("Sec-WebSocket-Extensions", name))
            extensions.append(deflate)
    if protocols := request.header("sec-websocket-protocol"):
        headers_sent.append(("Sec-WebSocket-Protocol", protocols.split(",")[0].strip()))
    return headers_sent, extensions


def echo(call):
    """A backend's script: every message is sent back, until one side closes."""
    request = call.request
    more, extensions = agree(request)
    if isinstance(call, H2Call):
        call.send_head(200, more)
        call._unread = False
        incoming, send = call.body_parts(), call.send_data
    else:
        if request.header("upgrade", "").lower() != "websocket":
            return call.describe()
        lines = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                 ("Sec-WebSocket-Accept", accept_of(request.header("sec-websocket-key"))), *more]
        call.send(("HTTP/1.1 101 Switching Protocols\r\n" +
                   "".join(f"{n}: {v}\r\n" for n, v in lines) + "\r\n").encode())
        incoming, send = socket_parts(call.connection), call.send
    converse(incoming, send, extensions)
    if isinstance(call, H2Call):
        call.send_data(b"", end=True)
    else:
        call.connection.socket.shutdown(socket.SHUT_WR)
    for _ in incoming:
        pass  # to the client's end, so that no reset overtakes what was said
    raise Ended


def socket_parts(connection):
    while True:
        if not connection.buffer:
            try:
                connection.more()
            except Ended:
                return
        part, connection.buffer = connection.buffer, b""
        yield part


def converse(incoming, send, extensions):
    server = wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER, extensions)
    message = []
    for part in incoming:
        server.receive_data(part)
        for event in server.events():
            if isinstance(event, wsproto.events.Message):
                message.append(event.data)
                if event.message_finished:
                    whole = type(event.data)().join(message)
                    message.clear()
                    send(server.send(type(event)(data=whole)))
            elif isinstance(event, wsproto.events.Ping):
                send(server.send(event.response()))
            elif isinstance(event, wsproto.events.CloseConnection):
                is_closing = server.state is wsproto.connection.ConnectionState.REMOTE_CLOSING
                # What wsproto says of an error depends on how the bytes were cut; the code does not.
                answer = event.response() if is_closing else wsproto.events.CloseConnection(code=event.code)
                return send(server.send(answer))
