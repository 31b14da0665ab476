"""HTTP/2 frames and header blocks as bytes, right or wrong as a test wants them. Header blocks use no dynamic table
unless a test writes one itself, so that a block is the same bytes wherever it stands."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA_MAX = 16384  # SETTINGS_MAX_FRAME_SIZE as it begins
WINDOW_MAX = 2**31 - 1

TYPES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
         "WINDOW_UPDATE", "CONTINUATION"]
(T_DATA, T_HEADERS, T_PRIORITY, T_RST_STREAM, T_SETTINGS, T_PUSH_PROMISE, T_PING, T_GOAWAY, T_WINDOW_UPDATE,
 T_CONTINUATION) = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20

(S_HEADER_TABLE_SIZE, S_ENABLE_PUSH, S_MAX_CONCURRENT_STREAMS, S_INITIAL_WINDOW_SIZE, S_MAX_FRAME_SIZE,
 S_MAX_HEADER_LIST_SIZE) = range(1, 7)
S_ENABLE_CONNECT_PROTOCOL = 8
S_NO_RFC7540_PRIORITIES = 9

ERRORS = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
          "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
          "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]


NO_ERROR = 0


def error_name(code):
    return ERRORS[code] if code < len(ERRORS) else hex(code)


# --- Frames as bytes -------------------------------------------------------------------------------------------


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """length is for a frame that lies about it."""
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def data(stream, payload=b"", end=False, flags=0):
    return frame(T_DATA, flags | (END_STREAM if end else 0), stream, payload)


def headers(stream, block=b"", end=False, flags=END_HEADERS):
    return frame(T_HEADERS, flags | (END_STREAM if end else 0), stream, block)


def continuation(stream, block=b"", flags=END_HEADERS):
    return frame(T_CONTINUATION, flags, stream, block)


def priority(stream, depends_on=0, weight=16, exclusive=False):
    return frame(T_PRIORITY, 0, stream, priority_fields(depends_on, weight, exclusive))


def priority_fields(depends_on=0, weight=16, exclusive=False):
    return struct.pack(">IB", depends_on | (exclusive << 31), weight - 1)


def rst_stream(stream, code=8):
    return frame(T_RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(*pairs, ack=False):
    return frame(T_SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload=b"gatehous", ack=False):
    return frame(T_PING, ACK if ack else 0, 0, payload)


def goaway(last=0, code=0):
    return frame(T_GOAWAY, 0, 0, struct.pack(">II", last, code))


def window_update(stream, increment):
    return frame(T_WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


# --- Header blocks ---------------------------------------------------------------------------------------------


def integer(value, bits, first=0):
    """RFC 7541 §5.1"""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = [first | limit], value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def text(value):
    value = value.encode("latin-1") if isinstance(value, str) else value
    return integer(len(value), 7) + value


def literal(name, value):
    """RFC 7541 §6.2.2: without indexing, name in full."""
    return b"\x00" + text(name) + text(value)


def block(pairs):
    return b"".join(literal(name, value) for name, value in pairs)


def request_fields(method="GET", path="/", extra=(), authority="gate.test", scheme="http"):
    extra = extra.items() if isinstance(extra, dict) else extra
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path),
            *((name.lower(), str(value)) for name, value in extra)]


def request(stream, method="GET", path="/", extra=(), end=True, **options):
    """A whole request's head as one HEADERS frame."""
    return headers(stream, block(request_fields(method, path, extra, **options)), end)
