"""The second half of h2_cases.py: what RFC 9113 §8 says of requests and RFC 7541 of header blocks. What §8 calls
malformed must be refused alone, reach no backend, and leave the connection as it was."""

from h2_cases import COMPRESSION, GET, PROTOCOL, UNFINISHED, answered, dies, goes_on, malformed, stream_error
from h2_frames import block, data, headers, integer, literal, request_fields, text


def get_with(*pairs, stream=1):
    return headers(stream, block([*request_fields(), *pairs]), end=True)


def get_without(name):
    return headers(1, block([pair for pair in request_fields() if pair[0] != name]), end=True)


def get_changed(name, value):
    return headers(1, block([(k, value if k == name else v) for k, v in request_fields()]), end=True)


def post_of_length(length):
    return headers(1, block(request_fields("POST", extra={"content-length": length})))


def ends_in_error(client):
    """The request was partly on its way when it turned out malformed: whatever happens, it is no success."""
    client.read_until(lambda: client.answers[1].over, "the refusal")
    answer = client.answers[1]
    assert answer.reset == PROTOCOL or (answer.status or 0) >= 400, answer
    goes_on(client)


FIELDS_REFUSED = {
    "an upper-case name": ("X-TEST", "ok"),
    "a name with a space": ("x test", "ok"),
    "a name with a control character": ("x\x01test", "ok"),
    "a name with DEL": ("x\x7ftest", "ok"),
    "a name beyond ASCII": ("x\xe9test", "ok"),
    "a name with a colon": ("x:test", "ok"),
    "an empty name": ("", "ok"),
    "a value with NUL": ("x-test", "a\0b"),
    "a value with CR": ("x-test", "a\rb"),
    "a value with LF": ("x-test", "a\nb"),
    "a value with CR LF and a field": ("x-test", "a\r\nx-evil: b"),
    "a value that begins with a space": ("x-test", " a"),
    "a value that ends with a space": ("x-test", "a "),
    "a value that ends with a tab": ("x-test", "a\t"),
    "connection": ("connection", "keep-alive"),
    "keep-alive": ("keep-alive", "timeout=5"),
    "proxy-connection": ("proxy-connection", "keep-alive"),
    "transfer-encoding": ("transfer-encoding", "chunked"),
    "upgrade": ("upgrade", "websocket"),
    "te other than trailers": ("te", "trailers, deflate"),
    "an unknown pseudo-header": (":test", "ok"),
    "a response's pseudo-header": (":status", "200"),
    ":method twice": (":method", "GET"),
    ":scheme twice": (":scheme", "http"),
    ":path twice": (":path", "/"),
    ":authority twice": (":authority", "gate.test"),
    ":protocol without CONNECT": (":protocol", "websocket"),
    "a host that is not :authority": ("host", "other.test"),
    "content-length that is no number": ("content-length", "1x"),
    "content-length that is negative": ("content-length", "-1"),
    "content-length of a request without a body": ("content-length", "4"),
}

REQUESTS_REFUSED = {
    "no :method": get_without(":method"),
    "no :scheme": get_without(":scheme"),
    "no :path": get_without(":path"),
    "an empty :path": get_changed(":path", ""),
    "a :path that does not begin with a slash": get_changed(":path", "orders"),
    "an absolute :path": get_changed(":path", "http://gate.test/"),
    "a :path with a space": get_changed(":path", "/a b"),
    "a :path with a fragment": get_changed(":path", "/a#b"),
    "a :path with NUL": get_changed(":path", "/a\0b"),
    "a :path of * with GET": get_changed(":path", "*"),
    "an empty :method": get_changed(":method", ""),
    "a :method with a space": get_changed(":method", "GET /x"),
    ":authority with userinfo": get_changed(":authority", "user@gate.test"),
    ":authority with a slash": get_changed(":authority", "gate.test/x"),
    "neither :authority nor host": get_without(":authority"),
    "a pseudo-header behind a field": headers(1, block([("x-test", "ok"), *request_fields()]), True),
    "a pseudo-header last": headers(1, block([*request_fields()[:3], ("x-test", "ok"), (":path", "/")]), True),
    "CONNECT with :path": get_changed(":method", "CONNECT"),
    "CONNECT without :authority": headers(1, block([(":method", "CONNECT")]), True),
    "content-length twice and different": get_with(("content-length", "0"), ("content-length", "1")),
}


MESSAGES = [
    ("8.1", "a second HEADERS without END_STREAM", [UNFINISHED, headers(1, block([("x-test", "ok")]))],
     stream_error(1, PROTOCOL)),
    ("8.1", "a pseudo-header in trailers",
     [UNFINISHED, data(1, b"test"), headers(1, block([(":method", "GET")]), True)], stream_error(1, PROTOCOL)),
    ("8.1", "an upper-case name in trailers",
     [UNFINISHED, data(1, b"test"), headers(1, block([("X-TEST", "ok")]), True)], stream_error(1, PROTOCOL)),
    ("8.1", "DATA behind trailers",
     [UNFINISHED, data(1, b"test"), headers(1, block([("x-test", "ok")]), True), data(1, b"more", True)],
     stream_error(1, 5, PROTOCOL)),
    ("8.1.1", "content-length above the DATA", [post_of_length(5), data(1, b"test", True)], ends_in_error),
    ("8.1.1", "content-length below the DATA", [post_of_length(1), data(1, b"test", True)], ends_in_error),
    ("8.1.1", "content-length against several DATA",
     [post_of_length(5), data(1, b"te"), data(1, b"st", True)], ends_in_error),
    ("8.1.1", "content-length against DATA and trailers",
     [post_of_length(5), data(1, b"test"), headers(1, block([("x-test", "ok")]), True)], ends_in_error),
    ("8.1.1", "content-length that fits", [post_of_length(4), data(1, b"test", True)], answered()),
    ("8.2.2", "te: trailers", [get_with(("te", "trailers"))], answered()),
    ("8.2.3", "cookie in crumbs", [get_with(("cookie", "a=b"), ("cookie", "c=d"))], answered()),
    ("8.3.1", "host that is :authority", [get_with(("host", "gate.test"))], answered()),
    ("8.3.1", "host in place of :authority",
     [headers(1, block([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "gate.test")]), True)],
     answered()),
    *[("8.2", name, [get_with(pair)], malformed()) for name, pair in FIELDS_REFUSED.items()],
    *[("8.3", name, [sent], malformed()) for name, sent in REQUESTS_REFUSED.items()],
]


# --- HPACK -----------------------------------------------------------------------------------------------------

X_TEST = b"\0\x85\xf2\xb2\x4a\x84\xff"  # a literal's name, "x-test", Huffman-coded


def remembering(first):
    """RFC 7541 §2.3.2: what a refused block has put into the dynamic table is there for the next one."""
    return [first, lambda client: client.read_until(lambda: client.answers[1].over, "the refusal"),
            headers(3, GET + integer(62, 7, 0x80), True)]


def indexed_literal(name, value):
    """RFC 7541 §6.2.1"""
    return b"\x40" + text(name) + text(value)


HPACK = [
    ("H2.3.3", "an index that is not there", [headers(1, GET + integer(70, 7, 0x80), True)], dies(COMPRESSION)),
    ("H2.3.3", "a literal whose name's index is not there",
     [headers(1, GET + integer(70, 6, 0x40) + text("empty"), True)], dies(COMPRESSION)),
    ("H4.2", "a table's size at the end of a block", [headers(1, GET + b"\x20", True)], dies(COMPRESSION)),
    ("H5.1", "an integer without end", [headers(1, GET + b"\xff" + b"\xff" * 12, True)], dies(COMPRESSION)),
    ("H5.2", "Huffman padding of more than 7 bits", [headers(1, GET + X_TEST + b"\x84\x49\x50\x9f\xff", True)],
     dies(COMPRESSION)),
    ("H5.2", "Huffman padding of zeros", [headers(1, GET + X_TEST + b"\x83\x49\x50\x90", True)], dies(COMPRESSION)),
    ("H5.2", "Huffman coding with EOS", [headers(1, GET + X_TEST + b"\x84\xff\xff\xff\xff", True)],
     dies(COMPRESSION)),
    ("H5.2", "a string longer than its block", [headers(1, GET + b"\0\x7f\x7f", True)], dies(COMPRESSION)),
    ("H6.1", "index 0", [headers(1, GET + b"\x80", True)], dies(COMPRESSION)),
    ("H6.3", "a table's size above SETTINGS_HEADER_TABLE_SIZE",
     [headers(1, integer(65537, 5, 0x20) + GET, True)], dies(COMPRESSION)),
    ("H-5", "an indexed field", [headers(1, b"\x82\x86\x84\x41" + text("gate.test"), True)], answered()),
    ("H-5", "a literal with indexing, by index",
     [headers(1, GET + integer(16, 6, 0x40) + text("gzip"), True)], answered()),
    ("H-5", "a literal with indexing, by name", [headers(1, GET + indexed_literal("x-test", "ok"), True)], answered()),
    ("H-5", "a literal without indexing, by index", [headers(1, GET + integer(16, 4) + text("gzip"), True)],
     answered()),
    ("H-5", "a literal without indexing, by name", [headers(1, GET + literal("x-test", "ok"), True)], answered()),
    ("H-5", "a literal never indexed, by index", [headers(1, GET + integer(16, 4, 0x10) + text("gzip"), True)],
     answered()),
    ("H-5", "a literal never indexed, by name", [headers(1, GET + b"\x10" + text("x-test") + text("ok"), True)],
     answered()),
    ("H-5", "a table's size at the beginning", [headers(1, b"\x20" + GET, True)], answered()),
    ("H-5", "two table sizes at the beginning", [headers(1, b"\x20" + integer(4096, 5, 0x20) + GET, True)],
     answered()),
    ("H-5", "a field of the dynamic table",
     [headers(1, GET + indexed_literal("x-test", "ok"), True), headers(3, GET + integer(62, 7, 0x80), True)],
     answered(3)),
    ("H-5", "a Huffman-coded field", [headers(1, GET + X_TEST + b"\x83\x49\x50\x9f", True)], answered()),
    ("H-5", "a field remembered from a refused request",
     remembering(headers(1, GET + indexed_literal("x-test", "ok") + literal("X-TEST", "no"), True)), answered(3)),
]
