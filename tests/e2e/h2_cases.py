"""What RFC 9113 and RFC 7541 say of a server, as a table: frames in, and what has to come of them. The order and
the sections are those of h2spec, whose every case is here; sections of RFC 9113 that are newer follow theirs.

A case is (section, what is sent, steps, expectation). Steps are bytes to send or functions of the client; the
connection has been settled before, except in PREFACE_CASES. Expectations are functions of the client."""

import ssl

from h2_frames import (DATA_MAX, END_HEADERS, PADDED, PREFACE, PRIORITY_FLAG, S_ENABLE_PUSH, S_INITIAL_WINDOW_SIZE,
                       S_MAX_CONCURRENT_STREAMS, S_MAX_FRAME_SIZE, T_DATA, T_GOAWAY, T_PING, T_PRIORITY,
                       T_PUSH_PROMISE, T_RST_STREAM, T_SETTINGS, T_WINDOW_UPDATE, WINDOW_MAX, block, continuation,
                       data, error_name, frame, goaway, headers, literal, ping, priority, priority_fields, request,
                       request_fields, rst_stream, settings, window_update)
from h2wire import GoneAway

# --- Expectations ----------------------------------------------------------------------------------------------


def names(codes):
    return [error_name(code) for code in codes]


PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = 1, 3, 5, 6, 7, 8, 9


def dies(*codes):
    """A connection error: GOAWAY with one of these codes, then the end."""
    def check(client):
        client.read_to_end()
        assert client.goaway, "closed without GOAWAY"
        assert client.goaway[1] in codes, f"GOAWAY {error_name(client.goaway[1])}, not {names(codes)}"
    return check


def dies_having_seen(last, *codes):
    def check(client):
        dies(*codes)(client)
        assert client.goaway[0] == last, client.goaway
    return check


def is_cut(client):
    """The connection is closed, whatever is said before; in clear text it may be HTTP/1 that is answered."""
    try:
        while client.socket.recv(65536):
            pass
    except (ConnectionResetError, ssl.SSLError):
        pass


def stream_error(stream, *codes):
    """RST_STREAM with one of these codes, and the connection goes on; or a connection error, as §5.4 allows."""
    def check(client):
        try:
            client.read_until(lambda: client.answers[stream].reset is not None, "RST_STREAM")
        except GoneAway:
            return dies(*codes)(client)
        assert client.answers[stream].reset in codes, client.answers[stream]
        goes_on(client)
    return check


def malformed(stream=1):
    """§8.1.1: a stream error, or an answer that says so; no backend hears of it, and the connection goes on."""
    def check(client):
        client.read_until(lambda: client.answers[stream].over, "the refusal")
        answer = client.answers[stream]
        assert answer.reset == PROTOCOL or 400 <= (answer.status or 0) < 500, answer
        goes_on(client)
    check.reaches_no_backend = True
    return check


def answered(stream=1, status=200):
    def check(client):
        assert client.finish(stream).status == status, client.answers[stream]
    return check


def goes_on(client):
    """All that was sent is taken, and a new request is answered."""
    client.fence()
    client.send(request(1001))
    assert client.finish(1001).status == 200


def either(*checks):
    """One of these, where the RFC leaves a choice. Each looks only at what has been read or is still to come."""
    def check(client):
        failures = []
        for one in checks:
            try:
                return one(client)
            except (AssertionError, GoneAway) as failure:
                failures.append(str(failure))
        raise AssertionError(failures)
    return check


def on_closed(stream):
    """§5.1, closed: an error of the stream or of the connection; what crossed our end may also be left aside."""
    def check(client):
        try:
            client.fence()
        except GoneAway:
            return dies(CLOSED, PROTOCOL)(client)
        assert client.answers[stream].reset in (None, CLOSED, CANCEL), client.answers[stream]
        goes_on(client)
    return check


# --- Pieces ----------------------------------------------------------------------------------------------------


def until_answered(stream=1):
    return lambda client: client.finish(stream)


GET = block(request_fields("GET", "/"))
POST = block(request_fields("POST", "/"))
UNFINISHED = headers(1, POST)  # the client's half of the stream stays open
HALF_CLOSED = [request(1), until_answered()]


def padded(payload, count):
    return bytes([count]) + payload + bytes(count)


def beyond_concurrency(client):
    limit = client.settings.get(S_MAX_CONCURRENT_STREAMS, 0)
    assert 0 < limit <= 1000, limit
    client.send(b"".join(headers(2 * n + 1, POST) for n in range(limit + 1)))
    try:
        client.read_until(lambda: client.answers[2 * limit + 1].over, "the refusal")
        assert client.answers[2 * limit + 1].reset in (REFUSED, PROTOCOL), client.answers
    except GoneAway:
        dies(REFUSED, PROTOCOL)(client)


def first_data_is(count):
    def check(client):
        client.read_until(lambda: any(f.type == T_DATA for f in client.frames), "DATA")
        assert len(next(f for f in client.frames if f.type == T_DATA).payload) == count
    return check


def data_total(count):
    def check(client):
        client.read_until(lambda: sum(map(len, client.answers[1].parts)) >= count, "DATA")
        client.fence()
        assert sum(map(len, client.answers[1].parts)) == count
    return check


def pong(payload):
    return lambda client: client.read_until(lambda: payload in client.pongs, "the answer to PING")


def pong_or_end(payload):
    def check(client):
        try:
            pong(payload)(client)
        except GoneAway:
            assert client.goaway is None or client.goaway[1] == 0, client.goaway
    return check


def no_pong(payload):
    def check(client):
        goes_on(client)
        assert payload not in client.pongs
    return check


def acked(count):
    return lambda client: client.read_until(lambda: client.settings_acked == count, "the SETTINGS' ACK")


# --- The table -------------------------------------------------------------------------------------------------

PREFACE_CASES = [
    ("3.4", "the preface", PREFACE + settings(), acked(1)),
    ("3.4", "the preface with a request behind it", PREFACE + settings() + request(1), answered()),
    ("3.4", "an invalid preface", b"INVALID CONNECTION PREFACE\r\n\r\n", is_cut),
    ("3.4", "a preface wrong at its end", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n" + settings(), is_cut),
    ("3.4", "no SETTINGS behind the preface", PREFACE + ping(), either(dies(PROTOCOL), is_cut)),
]

GENERIC = [
    ("2.1", "PRIORITY on an idle stream", [priority(1), request(1)], answered()),
    ("2.2", "WINDOW_UPDATE on a half-closed stream", [request(1), window_update(1, 1)], answered()),
    ("2.3", "PRIORITY on a half-closed stream", [request(1), priority(1)], answered()),
    ("2.4", "RST_STREAM on a half-closed stream", [request(1), rst_stream(1)], goes_on),
    ("2.5", "PRIORITY on a closed stream", [*HALF_CLOSED, priority(1)], goes_on),
    ("3.1", "DATA", [UNFINISHED, data(1, b"test", True)], answered()),
    ("3.1", "several DATA", [UNFINISHED, data(1, b"test"), data(1, b"test", True)], answered()),
    ("3.1", "DATA with padding", [UNFINISHED, data(1, padded(b"test", 6), True, PADDED)], answered()),
    ("3.2", "HEADERS", [request(1)], answered()),
    ("3.2", "HEADERS with padding", [headers(1, padded(GET, 6), True, END_HEADERS | PADDED)], answered()),
    ("3.2", "HEADERS with priority",
     [headers(1, priority_fields(0, 256) + GET, True, END_HEADERS | PRIORITY_FLAG)], answered()),
    ("3.3", "PRIORITY of weight 1", [priority(1, weight=1), request(1)], answered()),
    ("3.3", "PRIORITY of weight 256", [priority(1, weight=256), request(1)], answered()),
    ("3.3", "PRIORITY with a dependency", [priority(1), priority(3, 1), request(3)], answered(3)),
    ("3.3", "PRIORITY that is exclusive", [priority(1, exclusive=True), request(1)], answered()),
    ("3.3", "PRIORITY of an idle stream, then a lower one", [priority(5), request(3)], answered(3)),
    ("3.4", "RST_STREAM", [UNFINISHED, rst_stream(1)], goes_on),
    ("3.5", "SETTINGS", [settings((S_INITIAL_WINDOW_SIZE, 65535))], acked(2)),
    ("3.7", "PING", [ping(b"h2spec-1")], pong(b"h2spec-1")),
    ("3.8", "GOAWAY", [goaway(), ping(b"h2spec-0")], pong_or_end(b"h2spec-0")),
    ("3.9", "WINDOW_UPDATE of the connection", [window_update(0, 1), request(1)], answered()),
    ("3.9", "WINDOW_UPDATE of a stream", [UNFINISHED, window_update(1, 1), data(1, b"", True)], answered()),
    ("3.10", "CONTINUATION", [headers(1, GET[:5], True, 0), continuation(1, GET[5:])], answered()),
    ("3.10", "several CONTINUATION",
     [headers(1, GET[:5], True, 0), continuation(1, GET[5:9], 0), continuation(1, GET[9:])], answered()),
    ("4.1", "GET", [request(1)], answered()),
    ("4.2", "HEAD", [request(1, "HEAD")], answered()),
    ("4.3", "POST", [UNFINISHED, data(1, b"test", True)], answered()),
    ("4.4", "POST with trailers",
     [UNFINISHED, data(1, b"test"), headers(1, block([("x-test", "ok")]), True)], answered()),
]

FRAMES = [
    ("4.1", "a frame of unknown type", [frame(22, 0, 0, b"\0" * 8)], goes_on),
    ("4.1", "a frame with undefined flags", [frame(T_PING, 0xfe, 0, b"h2spec-2"), request(1)],
     either(answered(), goes_on)),
    ("4.1", "a frame with the reserved bit", [frame(T_PING, 0, 1 << 31, b"h2spec-3")], pong(b"h2spec-3")),
    ("4.2", "DATA of 2^14 bytes", [UNFINISHED, data(1, bytes(DATA_MAX), True)], answered()),
    ("4.2", "DATA larger than allowed", [UNFINISHED, data(1, bytes(DATA_MAX + 1), True)], stream_error(1, SIZE)),
    ("4.2", "HEADERS larger than allowed", [headers(1, GET + literal("x", "a" * DATA_MAX), True)], dies(SIZE)),
    ("4.3", "a header block that is none", [headers(1, literal("x", "a")[:-1] + b"\xff\xff\xff\xff\xff", True)],
     dies(COMPRESSION)),
    ("4.3", "PRIORITY within a header block", [headers(1, GET, True, 0), priority(1)], dies(PROTOCOL)),
    ("4.3", "HEADERS of another stream within a block", [headers(1, GET, True, 0), request(3)], dies(PROTOCOL)),
]

STREAMS = [
    ("5.1", "idle: DATA", [data(1, b"test", True)], dies(PROTOCOL, CLOSED)),
    ("5.1", "idle: RST_STREAM", [rst_stream(1)], dies(PROTOCOL)),
    ("5.1", "idle: WINDOW_UPDATE", [window_update(1, 100)], dies(PROTOCOL)),
    ("5.1", "idle: CONTINUATION", [continuation(1, GET)], dies(PROTOCOL)),
    ("5.1", "half-closed: DATA", [request(1), data(1, b"test", True)], stream_error(1, CLOSED)),
    ("5.1", "half-closed: HEADERS", [request(1), request(1)], stream_error(1, CLOSED)),
    ("5.1", "half-closed: CONTINUATION", [request(1), continuation(1, GET)], dies(PROTOCOL, CLOSED)),
    ("5.1", "closed by RST_STREAM: DATA", [UNFINISHED, rst_stream(1), data(1, b"test", True)], on_closed(1)),
    ("5.1", "closed by RST_STREAM: HEADERS", [UNFINISHED, rst_stream(1), request(1)], on_closed(1)),
    ("5.1", "closed by RST_STREAM: CONTINUATION", [UNFINISHED, rst_stream(1), continuation(1, GET)],
     dies(PROTOCOL, CLOSED)),
    ("5.1", "closed: DATA", [*HALF_CLOSED, data(1, b"test", True)], on_closed(1)),
    ("5.1", "closed: HEADERS", [*HALF_CLOSED, request(1)], on_closed(1)),
    ("5.1", "closed: CONTINUATION", [*HALF_CLOSED, continuation(1, GET)], dies(PROTOCOL, CLOSED)),
    ("5.1.1", "a stream of even number", [request(2)], dies(PROTOCOL)),
    ("5.1.1", "a stream of lower number", [request(5), until_answered(5), request(3)], dies(PROTOCOL, CLOSED)),
    ("5.1.1", "a stream's number of 0", [request(0)], dies(PROTOCOL)),
    ("5.1.2", "more streams than allowed", [], beyond_concurrency),
    # RFC 9113 §5.3 no longer makes these an error; RFC 7540 did.
    ("5.3.1", "HEADERS that depend on themselves",
     [headers(1, priority_fields(1) + GET, True, END_HEADERS | PRIORITY_FLAG)],
     either(answered(), stream_error(1, PROTOCOL))),
    ("5.3.1", "PRIORITY that depends on itself", [priority(1, 1)], either(goes_on, dies(PROTOCOL))),
    ("5.4.1", "a connection error: what comes first", [frame(T_PING, 0, 0, b"")], dies(SIZE)),
    ("5.4.1", "a connection error: the last stream it names", [*HALF_CLOSED, frame(T_PING, 0, 0, b"")],
     dies_having_seen(1, SIZE)),
    ("5.5", "an unknown frame", [frame(0xfa, 0xff, 0, b"unknown"), ping(b"h2spec-4")], pong(b"h2spec-4")),
    ("5.5", "an unknown frame within a block", [headers(1, GET, True, 0), frame(0xfa, 0, 0, b"unknown")],
     dies(PROTOCOL)),
]

DEFINITIONS = [
    ("6.1", "DATA on stream 0", [data(0, b"test")], dies(PROTOCOL)),
    ("6.1", "DATA on a stream not open", [*HALF_CLOSED, data(1, b"test")], on_closed(1)),
    ("6.1", "DATA whose padding is too long", [UNFINISHED, data(1, b"\x06test", True, PADDED)], dies(PROTOCOL)),
    ("6.1", "DATA with PADDED and no byte", [UNFINISHED, data(1, b"", True, PADDED)], dies(PROTOCOL, SIZE)),
    ("6.2", "PRIORITY behind HEADERS without END_HEADERS", [headers(1, GET, True, 0), priority(1)], dies(PROTOCOL)),
    ("6.2", "HEADERS elsewhere behind HEADERS without END_HEADERS", [headers(1, GET, True, 0), request(3)],
     dies(PROTOCOL)),
    ("6.2", "DATA behind HEADERS without END_HEADERS", [headers(1, POST, False, 0), data(1, b"")], dies(PROTOCOL)),
    ("6.2", "HEADERS on stream 0", [headers(0, GET, True)], dies(PROTOCOL)),
    ("6.2", "HEADERS whose padding is too long",
     [headers(1, bytes([len(GET) + 1]) + GET, True, END_HEADERS | PADDED)], dies(PROTOCOL)),
    ("6.2", "HEADERS shorter than its priority", [headers(1, b"\0\0", True, END_HEADERS | PRIORITY_FLAG)],
     dies(SIZE, PROTOCOL)),
    ("6.3", "PRIORITY on stream 0", [priority(0)], dies(PROTOCOL)),
    ("6.3", "PRIORITY of 4 bytes", [UNFINISHED, frame(T_PRIORITY, 0, 1, b"\x80\0\0\1")], stream_error(1, SIZE)),
    ("6.4", "RST_STREAM on stream 0", [rst_stream(0)], dies(PROTOCOL)),
    ("6.4", "RST_STREAM on an idle stream", [rst_stream(1)], dies(PROTOCOL)),
    ("6.4", "RST_STREAM of 3 bytes", [UNFINISHED, frame(T_RST_STREAM, 0, 1, b"\0\0\0")], dies(SIZE)),
    ("6.5", "SETTINGS with ACK and a payload", [frame(T_SETTINGS, 1, 0, b"\0\1\0\0\0\0")], dies(SIZE)),
    ("6.5", "SETTINGS on a stream", [frame(T_SETTINGS, 0, 1, b"\0\3\0\0\0\x64")], dies(PROTOCOL)),
    ("6.5", "SETTINGS of 3 bytes", [frame(T_SETTINGS, 0, 0, b"\0\3\0")], dies(SIZE)),
    ("6.5.2", "ENABLE_PUSH of 2", [settings((S_ENABLE_PUSH, 2))], dies(PROTOCOL)),
    ("6.5.2", "INITIAL_WINDOW_SIZE above the most", [settings((S_INITIAL_WINDOW_SIZE, 2**31))], dies(FLOW)),
    ("6.5.2", "MAX_FRAME_SIZE below the least", [settings((S_MAX_FRAME_SIZE, DATA_MAX - 1))], dies(PROTOCOL)),
    ("6.5.2", "MAX_FRAME_SIZE above the most", [settings((S_MAX_FRAME_SIZE, 2**24))], dies(PROTOCOL)),
    ("6.5.2", "an unknown identifier", [settings((0xff, 0)), ping(b"h2spec-5")], pong(b"h2spec-5")),
    ("6.5.3", "several values of one identifier: the last counts",
     [settings((S_INITIAL_WINDOW_SIZE, 100), (S_INITIAL_WINDOW_SIZE, 1)), request(1)], first_data_is(1)),
    ("6.5.3", "SETTINGS are acknowledged", [settings()], acked(2)),
    ("6.6", "PUSH_PROMISE of a client", [frame(T_PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + GET)], dies(PROTOCOL)),
    ("6.7", "PING is answered", [ping(b"h2spec-6")], pong(b"h2spec-6")),
    ("6.7", "PING with ACK", [ping(b"h2spec-7", ack=True)], no_pong(b"h2spec-7")),
    ("6.7", "PING on a stream", [frame(T_PING, 0, 1, b"h2spec-8")], dies(PROTOCOL)),
    ("6.7", "PING of 6 bytes", [frame(T_PING, 0, 0, b"h2spec")], dies(SIZE)),
    ("6.8", "GOAWAY on a stream", [frame(T_GOAWAY, 0, 1, bytes(8))], dies(PROTOCOL)),
    ("6.8", "GOAWAY shorter than it can be", [frame(T_GOAWAY, 0, 0, bytes(7))], dies(SIZE)),
    ("6.9", "WINDOW_UPDATE of 0", [window_update(0, 0)], dies(PROTOCOL)),
    ("6.9", "WINDOW_UPDATE of 0 on a stream", [UNFINISHED, window_update(1, 0)], stream_error(1, PROTOCOL)),
    ("6.9", "WINDOW_UPDATE of 3 bytes", [frame(T_WINDOW_UPDATE, 0, 0, b"\0\0\1")], dies(SIZE)),
    ("6.9.1", "a window of 1", [settings((S_INITIAL_WINDOW_SIZE, 1)), request(1)], first_data_is(1)),
    ("6.9.1", "the connection's window above 2^31-1",
     [window_update(0, WINDOW_MAX), window_update(0, WINDOW_MAX)], dies(FLOW)),
    ("6.9.1", "a stream's window above 2^31-1",
     [UNFINISHED, window_update(1, WINDOW_MAX), window_update(1, WINDOW_MAX)], stream_error(1, FLOW)),
    ("6.9.2", "INITIAL_WINDOW_SIZE changed behind HEADERS",
     [settings((S_INITIAL_WINDOW_SIZE, 0)), request(1), lambda client: client.fence(),
      settings((S_INITIAL_WINDOW_SIZE, 1))], first_data_is(1)),
    ("6.9.2", "a window below zero",
     [settings((S_INITIAL_WINDOW_SIZE, 3)), request(1), data_total(3), settings((S_INITIAL_WINDOW_SIZE, 2)),
      window_update(1, 2)], data_total(4)),
    ("6.9.2", "INITIAL_WINDOW_SIZE that overflows an open stream",
     [UNFINISHED, settings((S_INITIAL_WINDOW_SIZE, 65535)), window_update(1, WINDOW_MAX - 65535),
      settings((S_INITIAL_WINDOW_SIZE, 65536))], stream_error(1, FLOW)),
    ("6.10", "CONTINUATION twice",
     [headers(1, GET, True, 0), continuation(1, literal("x-a", "b"), 0), continuation(1, literal("x-c", "d"))],
     answered()),
    ("6.10", "an empty CONTINUATION", [headers(1, GET, True, 0), continuation(1)], answered()),
    ("6.10", "CONTINUATION, then another frame", [headers(1, GET, True, 0), continuation(1, b"", 0), data(1, b"")],
     dies(PROTOCOL)),
    ("6.10", "CONTINUATION on stream 0", [headers(1, GET, True, 0), continuation(0)], dies(PROTOCOL)),
    ("6.10", "CONTINUATION on another stream", [headers(1, GET, True, 0), continuation(3)], dies(PROTOCOL)),
    ("6.10", "CONTINUATION behind END_HEADERS", [UNFINISHED, continuation(1)], dies(PROTOCOL)),
    ("6.10", "CONTINUATION behind CONTINUATION with END_HEADERS",
     [headers(1, POST, False, 0), continuation(1), continuation(1)], dies(PROTOCOL)),
    ("6.10", "CONTINUATION behind DATA", [UNFINISHED, data(1, b"test"), continuation(1)], dies(PROTOCOL)),
    ("7", "GOAWAY of an unknown code", [goaway(0, 0xff), ping(b"h2spec-9")],
     pong_or_end(b"h2spec-9")),
    ("7", "RST_STREAM of an unknown code", [UNFINISHED, rst_stream(1, 0xff)], goes_on),
]
