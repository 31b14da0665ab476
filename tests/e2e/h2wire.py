"""An HTTP/2 client on a raw socket: tests say frame for frame what is sent and see frame for frame what comes
back. It never corrects what a test wants to send, and is strict about what it is answered: an answer that
RFC 9113 does not allow fails the test that reads it."""

import collections
import socket
import ssl
import struct
import time

import hpack

import wire
from h2_frames import (ACK, DATA_MAX, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY_FLAG, S_ENABLE_PUSH,
                       S_INITIAL_WINDOW_SIZE, T_CONTINUATION, TYPES, WINDOW_MAX, block, data, error_name, headers,
                       ping, request, settings, window_update)

Frame = collections.namedtuple("Frame", "type flags stream payload")


class GoneAway(Exception):
    """The other side sent GOAWAY with an error, or closed, where something else was awaited."""


class Answer(wire.Response):
    """What arrived on one stream."""

    def __init__(self):
        super().__init__("HTTP/2", None, "", [])
        self.ended = False
        self.reset = None  # the code of its RST_STREAM
        self.parts = []

    @property
    def over(self):
        return self.ended or self.reset is not None

    def __repr__(self):
        reset = "" if self.reset is None else " reset " + error_name(self.reset)
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}{reset}>"


def client_tls(ca=None, certificate=None, alpn=("h2",), **versions):
    """A client's context: `ca` is a path; without it nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    for name, version in versions.items():
        setattr(context, name, version)
    return context


class Client:
    """One connection. Usable in `with`. Windows are opened wide unless a test says otherwise."""

    def __init__(self, port, tls=None, name="gate.test", address="127.0.0.1", preface=True, settings_sent=None,
                 window=WINDOW_MAX, receive_buffer=None, timeout=wire.SECONDS_TO_WAIT):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((address, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
            assert self.socket.selected_alpn_protocol() == "h2", self.socket.selected_alpn_protocol()
        self.scheme, self.authority = "https" if tls else "http", name
        self.timeout, self.buffer = timeout, b""
        self.decoder = hpack.Decoder()
        self.decoder.max_allowed_table_size = 65536
        self.answers = collections.defaultdict(Answer)
        self.settings = None     # the other side's, once they are here
        self.settings_acked = 0
        self.pongs = []
        self.goaway = None       # (last stream, code)
        self.closed = False
        self.windows = collections.defaultdict(int)  # granted to us beyond the initial window; 0: the connection
        self.spent = collections.defaultdict(int)
        self.frames = []         # all that came
        self._open_headers = None
        self._next_stream = 1
        if preface:
            pairs = {S_ENABLE_PUSH: 0, S_INITIAL_WINDOW_SIZE: window, **(settings_sent or {})}
            wide = window_update(0, WINDOW_MAX - 65535) if window == WINDOW_MAX else b""
            self.send(PREFACE + settings(*pairs.items()) + wide)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def settle(self):
        """Waits for the other side's SETTINGS and its acknowledgement of ours."""
        self.read_until(lambda: self.settings is not None and self.settings_acked, "SETTINGS")
        return self

    # --- Reading ---

    def _fill(self, count):
        while len(self.buffer) < count:
            try:
                got = self.socket.recv(1 << 17)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                got = b""
            if not got:
                self.closed = True
                return False
            self.buffer += got
        return True

    def read_frame(self):
        """The next frame, noted; None when the other side has closed."""
        if self.closed or not self._fill(9):
            return None
        length = int.from_bytes(self.buffer[:3], "big")
        assert length <= DATA_MAX, f"a frame of {length} bytes"
        if not self._fill(9 + length):
            raise AssertionError("closed in the middle of a frame")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        got = Frame(kind, flags, stream & WINDOW_MAX, self.buffer[9:9 + length])
        self.buffer = self.buffer[9 + length:]
        self.frames.append(got)
        self._note(got)
        return got

    def _note(self, got):
        if self._open_headers and (got.type != T_CONTINUATION or got.stream != self._open_headers.stream):
            raise AssertionError(f"{got} within a header block")
        note = getattr(self, "_note_" + TYPES[got.type].lower()) if got.type < len(TYPES) else None
        if note:
            note(got)

    def _note_data(self, got):
        answer = self.answers[got.stream]
        assert answer.status is not None and not answer.over, f"DATA out of place: {answer}"
        payload = got.payload[1:len(got.payload) - got.payload[0]] if got.flags & PADDED else got.payload
        answer.parts.append(payload)
        self._end(answer, got)

    def _end(self, answer, got):
        if got.flags & END_STREAM:
            answer.ended = True
            answer.body = b"".join(answer.parts)
            length = answer.header("content-length")
            assert length is None or not answer.body or int(length) == len(answer.body), answer

    def _note_headers(self, got):
        payload = got.payload
        if got.flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        if got.flags & PRIORITY_FLAG:
            payload = payload[5:]
        self._gather(got._replace(payload=payload), got.flags)

    def _note_continuation(self, got):
        assert self._open_headers, "CONTINUATION out of place"
        self._gather(self._open_headers._replace(payload=self._open_headers.payload + got.payload), got.flags)

    def _gather(self, whole, flags):
        self._open_headers = None if flags & END_HEADERS else whole
        if self._open_headers:
            return
        pairs = [(name, value) for name, value in self.decoder.decode(whole.payload)]
        self._take_head(self.answers[whole.stream], pairs)
        self._end(self.answers[whole.stream], whole)

    def _take_head(self, answer, pairs):
        assert not answer.over, f"HEADERS behind the end: {answer}"
        for name, value in pairs:
            assert name == name.lower() and name == name.strip() and value == value.strip(), (name, value)
            assert name not in ("connection", "keep-alive", "transfer-encoding", "upgrade"), (name, value)
        if answer.status is not None:
            assert not any(name.startswith(":") for name, _ in pairs), pairs
            answer.trailers = pairs
            return
        assert pairs[0][0] == ":status" and not any(n.startswith(":") for n, _ in pairs[1:]), pairs
        if pairs[0][1].startswith("1"):
            answer.interim.append(wire.Response("HTTP/2", int(pairs[0][1]), "", pairs[1:]))
            return
        answer.status, answer.headers = int(pairs[0][1]), pairs[1:]

    def _note_rst_stream(self, got):
        assert not self.answers[got.stream].reset, "RST_STREAM twice"
        self.answers[got.stream].reset = struct.unpack(">I", got.payload)[0]

    def _note_settings(self, got):
        if got.flags & ACK:
            assert not got.payload
            self.settings_acked += 1
            return
        self.settings = {**(self.settings or {}), **dict(struct.iter_unpack(">HI", got.payload))}
        try:
            self.send(settings(ack=True))
        except OSError:
            pass  # it has already closed; what it said before that is still to be read

    def _note_push_promise(self, got):
        raise AssertionError("PUSH_PROMISE, which we have switched off")

    def _note_ping(self, got):
        if got.flags & ACK:
            self.pongs.append(got.payload)
        else:
            self.send(ping(got.payload, ack=True))

    def _note_goaway(self, got):
        self.goaway = struct.unpack(">II", got.payload[:8])

    def _note_window_update(self, got):
        increment = struct.unpack(">I", got.payload)[0]
        assert increment > 0
        self.windows[got.stream] += increment

    def read_until(self, condition, what="it"):
        """Reads frames until condition() holds. Raises GoneAway when the connection ends first."""
        end = time.monotonic() + self.timeout
        while not condition():
            if self.read_frame() is None:
                why = error_name(self.goaway[1]) if self.goaway else "no GOAWAY"
                raise GoneAway(f"waited for {what}; the connection was closed: {why}")
            assert time.monotonic() < end, f"waited in vain for {what}"

    def read_to_end(self):
        """Everything until the other side closes."""
        while self.read_frame() is not None:
            pass

    def fence(self):
        """Everything that was sent before has been looked at when this returns: a PING has come back."""
        mark = struct.pack(">Q", 0x6765740000000000 + len(self.frames))
        count = self.pongs.count(mark)
        self.send(ping(mark))
        self.read_until(lambda: self.pongs.count(mark) > count, "the answer to a PING")

    # --- Whole requests ---

    def open_stream(self):
        self._next_stream += 2
        return self._next_stream - 2

    def start(self, method="GET", path="/", extra=(), end=True, authority=None):
        """Sends a request's head; gives its stream."""
        stream = self.open_stream()
        self.send(request(stream, method, path, extra, end, authority=authority or self.authority,
                          scheme=self.scheme))
        return stream

    def may_send(self, stream):
        """Bytes of DATA that the windows leave us."""
        initial = (self.settings or {}).get(S_INITIAL_WINDOW_SIZE, 65535)
        return min(initial + self.windows[stream] - self.spent[stream],
                   65535 + self.windows[0] - self.spent[0])

    def send_body(self, stream, body, end=True, trailers=None):
        """Sends a body as the windows allow, reading while it waits. Stops when the answer is over."""
        view, at = memoryview(body), 0
        while at < len(view):
            self.read_until(lambda: self.may_send(stream) > 0 or self.answers[stream].over, "a window")
            if self.answers[stream].over:
                return
            size = min(DATA_MAX, self.may_send(stream), len(view) - at)
            self.spent[stream] += size
            self.spent[0] += size
            at += size
            self.send(data(stream, bytes(view[at - size:at]), end and not trailers and at == len(view)))
        if trailers:
            self.send(headers(stream, block(trailers), end=True))
        elif end and not len(view):
            self.send(data(stream, b"", True))

    def finish(self, stream):
        """Reads the rest of an answer."""
        self.read_until(lambda: self.answers[stream].over, f"the end of stream {stream}")
        return self.answers[stream]

    def request(self, method="GET", path="/", extra=(), body=None, trailers=None, **options):
        self.read_until(lambda: self.settings is not None, "SETTINGS")
        stream = self.start(method, path, extra, end=body is None and not trailers, **options)
        if body is not None or trailers:
            self.send_body(stream, body or b"", trailers=trailers)
        return self.finish(stream)

    def get(self, path="/", extra=(), **options):
        return self.request("GET", path, extra, **options)


def fetch(port, method="GET", path="/", extra=(), body=None, **options):
    """One request on a connection of its own."""
    with Client(port, **options) as client:
        return client.request(method, path, extra, body)
