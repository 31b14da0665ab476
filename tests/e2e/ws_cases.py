"""What a conforming and a misbehaving WebSocket client may send, after the categories of the Autobahn test suite.
A case is (name, pieces): frames, each a chunk of bytes or (bytes, size) to be sent in pieces of that size. What has
to come of a case is what the same server says without a gate between; `ends` says with which close code, so that
the server is known to be a strict one."""

import struct
import zlib

from ws_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame

CHOPPED = 997
HELLO = "Hello-µ@ßöäüàá-UTF-8!!"


def case(name, *pieces, ends=1000):
    return name, pieces, ends


def whole(opcode, size):
    return frame(opcode, b"*" * size)


FRAMING = [case(f"1 {kind} of {size}{' chopped' if chop else ''}", (whole(opcode, size), chop))
           for kind, opcode in (("text", TEXT), ("binary", BINARY))
           for size, chop in [(0, None), (125, None), (126, None), (127, None), (128, None), (65535, None),
                              (65536, None), (65536, CHOPPED), (300, 1)]]

PINGS = [
    case("2 empty ping", frame(PING)),
    case("2 ping with text", frame(PING, "Hello, world!")),
    case("2 ping with bytes", frame(PING, bytes([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]))),
    case("2 ping of 125", frame(PING, b"\xfe" * 125)),
    case("2 ping of 126", frame(PING, b"\xfe" * 126), ends=1002),
    case("2 ping of 125 by byte", (frame(PING, b"\xfe" * 125), 1)),
    case("2 pong unasked", frame(PONG)),
    case("2 pong unasked with text", frame(PONG, "unsolicited pong payload")),
    case("2 pong unasked, then ping", frame(PONG, "unsolicited pong payload"), frame(PING, "ping payload")),
    case("2 ten pings", *[frame(PING, f"payload-{n}") for n in range(10)]),
    case("2 ten pings by byte", *[(frame(PING, f"payload-{n}"), 1) for n in range(10)]),
]

RESERVED = [case(f"3 RSV {rsv}", frame(TEXT, "Hello, world!", rsv=rsv), ends=1002) for rsv in range(1, 8)]
RESERVED += [
    case("3 RSV 2 behind a message", frame(TEXT, "Hello"), frame(TEXT, "Hello", rsv=2), frame(PING), ends=1002),
    case("3 RSV 3 by byte", frame(TEXT, "Hello"), (frame(TEXT, "Hello", rsv=3), 1), ends=1002),
    case("3 RSV 5 of a ping", frame(PING, "Hello", rsv=5), ends=1002),
    case("3 RSV 7 of a close", frame(CLOSE, rsv=7), ends=1002),
]

OPCODES = [case(f"4 opcode {opcode}", frame(opcode, payload), ends=1002)
           for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) for payload in (b"", b"reserved")]
OPCODES += [case(f"4 opcode {opcode} behind a message", frame(TEXT, "Hello"), frame(opcode, b"x"), frame(PING),
                 ends=1002) for opcode in (5, 13)]

FIRST, NEXT, LAST = frame(TEXT, "fragment1", fin=False), frame(CONTINUATION, "fragment2", fin=False), \
    frame(CONTINUATION, "fragment2")
FRAGMENTS = [
    case("5 ping in fragments", frame(PING, "fragment1", fin=False), LAST, ends=1002),
    case("5 pong in fragments", frame(PONG, "fragment1", fin=False), LAST, ends=1002),
    case("5 text in two", FIRST, LAST),
    case("5 text in two by byte", (FIRST, 1), (LAST, 1)),
    case("5 ping between", FIRST, frame(PING, "ping payload"), LAST),
    case("5 ping between, by byte", (FIRST, 1), (frame(PING, "ping payload"), 1), (LAST, 1)),
    case("5 pong between", FIRST, frame(PONG, "pong payload"), LAST),
    case("5 continuation of nothing", LAST, frame(TEXT, "Hello"), ends=1002),
    case("5 continuation of nothing, not the last", NEXT, frame(TEXT, "Hello"), ends=1002),
    case("5 continuation of nothing, by byte", (NEXT, 1), ends=1002),
    case("5 continuation behind a whole message", frame(TEXT, "Hello"), LAST, ends=1002),
    case("5 text within a text", FIRST, frame(TEXT, "fragment2"), ends=1002),
    case("5 binary within a text", FIRST, NEXT, frame(BINARY, "x"), ends=1002),
    case("5 many fragments and pings", FIRST, frame(PING, "1"), NEXT, frame(PING, "2"), NEXT, LAST),
    case("5 many fragments and pings by byte", (FIRST, 1), (frame(PING, "1"), 1), (NEXT, 1), (LAST, 1)),
    case("5 empty fragments", frame(TEXT, "", fin=False), frame(CONTINUATION, "", fin=False), frame(CONTINUATION)),
    case("5 a text in bytes", frame(TEXT, "H", fin=False),
         *[frame(CONTINUATION, c, fin=False) for c in "ello, worl"], frame(CONTINUATION, "d")),
    case("5 close between", FIRST, frame(CLOSE, b"\x03\xe8"), LAST),
]

VALID_TEXT = {
    "mixed": HELLO.encode(), "kosme": "κόσμε".encode(), "first of two": b"\xc2\x80",
    "first of three": b"\xe0\xa0\x80", "first of four": b"\xf0\x90\x80\x80",
    "last of one": b"\x7f", "last of two": b"\xdf\xbf",
    "last of three": b"\xef\xbf\xbf", "U+10FFFF": b"\xf4\x8f\xbf\xbf", "U+D7FF": b"\xed\x9f\xbf",
    "U+E000": b"\xee\x80\x80", "U+FFFD": b"\xef\xbf\xbd", "noncharacter": b"\xef\xbf\xbe", "NUL": b"\0",
}
INVALID_TEXT = {
    "cut short": b"\xce\xba\xe1\xbd", "a lone continuation": b"\x80", "two lone continuations": b"\x80\xbf",
    "0xfe": b"\xfe", "0xff": b"\xff", "five bytes": b"\xf8\x88\x80\x80\x80", "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "overlong slash": b"\xc0\xaf", "overlong slash of three": b"\xe0\x80\xaf",
    "overlong slash of four": b"\xf0\x80\x80\xaf", "overlong NUL": b"\xc0\x80", "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80", "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "in the middle": b"Hello \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
}


def split(text, size):
    parts = [text[at:at + size] for at in range(0, len(text), size)]
    return [frame(TEXT if n == 0 else CONTINUATION, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)]


UTF8 = [case(f"6 valid: {name}", frame(TEXT, text)) for name, text in VALID_TEXT.items()]
UTF8 += [case(f"6 valid, a byte each: {name}", *split(text, 1)) for name, text in VALID_TEXT.items()]
UTF8 += [case(f"6 invalid: {name}", frame(TEXT, text), ends=1007) for name, text in INVALID_TEXT.items()]
UTF8 += [case(f"6 invalid, a byte each: {name}", *split(text, 1), ends=1007) for name, text in INVALID_TEXT.items()]
UTF8 += [case("6 invalid at once, the rest later", *split(INVALID_TEXT["in the middle"], 21), ends=1007),
         case("6 invalid is no matter in a binary", frame(BINARY, b"\xfe\xff\x80"))]

CODES_ALLOWED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
CODES_REFUSED = [0, 999, 1004, 1005, 1006, 1015, 5000, 65535]
CLOSING = [
    case("7 message, close", frame(TEXT, HELLO), close()),
    case("7 close twice", close(), close()),
    case("7 ping behind close", close(), frame(PING)),
    case("7 text behind close", close(), frame(TEXT, "too late")),
    case("7 close within a fragmented message", FIRST, close(), LAST),
    case("7 large message, then close", whole(TEXT, 256 << 10), frame(TEXT, HELLO), close()),
    case("7 close without a code", frame(CLOSE), ends=None),
    case("7 close of one byte", frame(CLOSE, b"a"), ends=1002),
    case("7 close with a reason", close(1000, b"Hello, world!")),
    case("7 close with the longest reason", close(1000, b"*" * 123)),
    case("7 close with too long a reason", close(1000, b"*" * 124), ends=1002),
    case("7 close with a reason that is no UTF-8", close(1000, b"\xce\xba\xe1\xbd"), ends=None),
    *[case(f"7 close of {code}", close(code), ends=code) for code in CODES_ALLOWED],
    *[case(f"7 close of {code}, which is none to send", close(code), ends=1002) for code in CODES_REFUSED],
]

KIB = 1024
LIMITS = [case(f"9 {kind} of {size // KIB} KiB", (whole(opcode, size), chop))
          for kind, opcode in (("text", TEXT), ("binary", BINARY))
          for size, chop in [(64 * KIB, None), (256 * KIB, None), (1024 * KIB, None), (4096 * KIB, None),
                             (256 * KIB, CHOPPED)]]
LIMITS += [case(f"9 1 MiB in fragments of {size}", *split(b"*" * KIB * KIB, size)) for size in (4 * KIB, 64 * KIB)]
LIMITS += [case(f"9 500 messages of {size}", *[whole(BINARY, size)] * 500) for size in (0, 16, 1024)]
LIMITS += [case("9 no mask", frame(TEXT, "Hello", mask=False), ends=1002),
           case("9 a length with its highest bit", b"\x82\xff" + b"\xff" * 8 + bytes(4), ends=1002),
           case("9 a length of 4 in 8 bytes", b"\x82\xff" + struct.pack(">Q", 4) + bytes(8), ends=1002)]

CASES = [*FRAMING, *PINGS, *RESERVED, *OPCODES, *FRAGMENTS, *UTF8, *CLOSING, *LIMITS]

# --- permessage-deflate (RFC 7692) -----------------------------------------------------------------------------


def deflated(*texts):
    """Messages compressed one after another in one context."""
    packer = zlib.compressobj(wbits=-15)
    return [frame(TEXT, (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4) for text in texts]


OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
DEFLATED = [
    case("12 one", *deflated(HELLO.encode())),
    case("12 several in one context", *deflated(*[HELLO.encode() * n for n in range(1, 20)])),
    case("12 large", *deflated(b"abc" * 100000)),
    case("12 beside plain ones", frame(TEXT, "plain"), *deflated(b"packed"), frame(TEXT, "plain")),
    case("12 that is no deflate", frame(TEXT, b"\xff\xff\xff\xff", rsv=4), ends=1007),
    case("12 RSV2 besides", frame(TEXT, "Hello", rsv=6), ends=1002),
    case("12 with invalid UTF-8 inside", *deflated(b"\xce\xba\xe1\xbd"), ends=1007),
]
