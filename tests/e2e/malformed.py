"""Thousands of requests that must be refused: every fault of a list in many otherwise good requests, the same
in each run. And the client that sends them: many connections at once, each to its end."""

import random
import selectors
import socket
from dataclasses import dataclass

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"REPORT"]
TARGETS = [b"/", b"/a/b?c=d", b"/orders/7", b"/%41/x", b"/a?x=%2f", b"/a//b/../c", b"http://gate.test/a"]
PLAIN_HEADERS = [b"Accept: */*", b"User-Agent: test/1", b"Cookie: a=b; c=d", b"X-Empty:", b"Accept-Language: de, en",
                 b"X-Long: " + b"x" * 300, b"Connection: keep-alive", b"Referer: http://other.test/"]
TOKEN_BYTES = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
NO_TOKEN = [bytes([b]) for b in range(256) if b not in TOKEN_BYTES]
NO_VALUE = [bytes([b]) for b in range(256) if (b < 0x20 and b != 9) or b == 0x7f]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n"


@dataclass
class Fault:
    """What is wrong: one part of a request, in place of the good one."""
    line: bytes = b"{method} {target} HTTP/1.1"
    host: bytes | None = b"Host: gate.test"
    header: bytes | None = None  # stands among the good ones
    body: bytes = b""
    target: bytes | None = None
    method: bytes | None = None


def request_line_faults():
    for separator in (b"\t", b"\x0b", b"\x0c", b"\r", b"  ", b"\xa0", b"\0", b"\n", b"\r\n"):
        yield Fault(line=b"{method}" + separator + b"{target} HTTP/1.1")
        yield Fault(line=b"{method} {target}" + separator + b"HTTP/1.1")
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"Http/1.1", b"HTTP/1.", b"HTTP/1.1 ", b"HTTP/1.1\t",
                    b"HTTP/11", b"HTTP/1.10", b"HTTP/01.1", b"HTTP /1.1", b"HTTP/1,1", b"HTTPS/1.1", b"ICY/1.1",
                    b"HTTP/3.0", b"HTTP/1.1x", b"HTTP/-1.1", b"HTTP/1.1 HTTP/1.1", b"HTTP\\1.1",
                    *(b"HTTP/1.%d" % minor for minor in range(2, 10))):
        yield Fault(line=b"{method} {target} " + version)
    for line in (b"{method} {target}", b"{method} HTTP/1.1", b"{target} HTTP/1.1", b" {method} {target} HTTP/1.1",
                 b"\t{method} {target} HTTP/1.1", b"{method}", b"\0{method} {target} HTTP/1.1"):
        yield Fault(line=line)
    for byte in NO_TOKEN:
        yield Fault(method=b"GE" + byte + b"T")
    yield Fault(method=b"CONNECT", target=b"gate.test:443")
    yield Fault(method=b"CONNECT", target=b"/")


def header_faults():
    for byte in NO_TOKEN + [b"_"]:
        if byte != b":":
            yield Fault(header=b"X" + byte + b"A: 1")
            yield Fault(header=b"XA" + byte + b": 1")
        yield Fault(header=byte + b"XA: 1")
    for byte in NO_VALUE:
        yield Fault(header=b"X-A: " + byte + b"1")
        yield Fault(header=b"X-A: 1" + byte + b"2")
        yield Fault(header=b"X-A: 1" + byte)
    for header in (b"nonsense", b"X-A", b"X-A 1", b"X-A: 1\r\n 2", b"X-A: 1\r\n\t2", b"X-A:\r\n 2", b"X-A: 1\r\n ",
                   b"Content-Length\r\n : 3", b"X_Forwarded_For: 1.2.3.4", b"Gatehouse_Identity: x",
                   b"Content_Length: 3", b"Transfer_Encoding: chunked"):
        yield Fault(header=header)


def framing_faults():
    for length in (b"+3", b"-3", b"0x3", b"3, 3", b"3,3", b"3, 4", b"", b"3 3", b"3.0", b"3;", b"'3'", b'"3"', b"1e3",
                   b"9" * 20, b"18446744073709551616", b"9" * 200, b"\xd9\xa3", b"0b1", b"3\t3", b"NaN", b"1_000"):
        yield Fault(header=b"Content-Length: " + length, body=b"abc")
    for coding in (b"gzip", b"chunked, gzip", b"gzip, chunked", b"identity", b"chunked, identity", b"chunked, chunked",
                   b"x", b'"chunked"', b"chunked;q=1", b"xchunked", b"chunkedx", b"chun ked", b"", b"trailers",
                   b"deflate", b"chunked chunked", b"\xefchunked", b"[chunked]", b"chunked, \"x\""):
        yield Fault(header=b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n")
    for first, second in ((b"Content-Length: 3", b"Transfer-Encoding: chunked"),
                          (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
                          (b"Transfer-Encoding: chunked", b"Content-Length: 0"),
                          (b"TRANSFER-ENCODING: chunked", b"content-length: 5"),
                          (b"Content-Length: 3", b"Content-Length: 3"), (b"Content-Length: 3", b"Content-Length: 4"),
                          (b"Content-Length: 0", b"content-length: 0"),
                          (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
                          (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
                          (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
                          (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked")):
        yield Fault(header=first + b"\r\n" + second, body=b"0\r\n\r\n")
        yield Fault(header=first + b"\r\nX-Between: 1\r\n" + second, body=b"0\r\n\r\n")
    yield Fault(line=b"{method} {target} HTTP/1.0", header=b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")


def host_faults():
    yield Fault(host=None)
    for host in (b"Host: other.test", b"Host: gate.test", b"host: gate.test", b"HOST: gate.test:80", b"Host:"):
        yield Fault(header=host)
    for host in (b"gate.test:x", b"gate.test:99999", b"gate.test:-1", b"[::1", b"::1", b"[::1]x", b"[1.2.3]",
                 b"gate.test, other", b"http://gate.test", b"gate.test:80:80", b"user:word@gate.test", b"%zz", b"%"):
        yield Fault(host=b"Host: " + host)
    for byte in b"\0\x01\x0b\x0c\x1f\x7f/?#@\\,<>\"{}|^` \t":
        yield Fault(host=b"Host: gate" + bytes([byte]) + b"test")
    for target in (b"http://other.test/", b"http://gate.test.other/", b"http://gate.test:81/", b"http://user@gate.test/",
                   b"https://gate.test@other.test/"):
        yield Fault(target=target)


def target_faults():
    """Refused for the path they ask for; where the request ends is clear."""
    for byte in [*range(0x80, 0x100), *b"\\#"]:
        yield Fault(target=b"/a" + bytes([byte]) + b"b")
    for byte in [*range(0x20), 0x7f, *b"/\\%"]:
        yield Fault(target=b"/a%%%02xb" % byte)
        yield Fault(target=b"/a/%%%02X/b" % byte)
    for escape in (b"%", b"%2", b"%zz", b"%2g", b"%g2", b"%%", b"%u002f", b"%-1", b"% 2", b"%c0%af%2f"):
        yield Fault(target=b"/a" + escape)
        yield Fault(target=b"/a/" + escape + b"/b")
    for path in (b"/../a", b"/a/../../b", b"/a/../..", b"/%2e%2e/a", b"/a/%2e%2e/b", b"/a/%2E./b", b"/a/.%2e/b",
                 b"/a/%252e%252e/b", b"/a;b/c", b"/a;jsessionid=1", b"/..;/a", b"/a/..;/b", b"/a/%2e%2e%2fb",
                 b"/a%2f..%2f..%2fb", b"/a\\..\\b", b"/a%5c..%5cb", b"/a%00.html", b"/a%0d%0aX:%201"):
        yield Fault(target=path)


def build(fault, chance):
    """One request with that fault, otherwise good."""
    line = fault.line.replace(b"{method}", fault.method or chance.choice(METHODS))
    line = line.replace(b"{target}", fault.target or chance.choice(TARGETS))
    headers = chance.sample(PLAIN_HEADERS, chance.randint(0, 3))
    for extra in (fault.host, fault.header):
        if extra is not None:
            headers.insert(chance.randint(0, len(headers)), extra)
    return b"\r\n".join([line, *headers]) + b"\r\n\r\n" + fault.body


def distinct(faults, variants, seed):
    """For each fault that many requests, no two the same."""
    chance, made = random.Random(seed), {}
    for fault in faults:
        for _ in range(variants):
            request = build(fault, chance)
            while request in made:
                request = build(fault, chance)
            made[request] = None
    return list(made)


def mutations(seeds, count, seed):
    """Seeds with some bytes changed, lost, doubled or crossed with another: mostly wrong, some still right."""
    chance, made = random.Random(seed), set()
    while len(made) < count:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            what = chance.randrange(4)
            if what == 0 and at < len(data):
                data[at] = chance.choice(b"\r\n\t \x00:;,/%\x7f\xffA0")
            elif what == 1:
                del data[at:at + chance.randint(1, 4)]
            elif what == 2:
                data[at:at] = data[at:at + chance.randint(1, 12)]
            else:
                other = chance.choice(seeds)
                data[at:] = other[chance.randrange(len(other)):]
        if data:
            made.add(bytes(data))
    return sorted(made)


class Connection:
    def __init__(self, port, index, data):
        self.index, self.unsent, self.answer = index, data, []
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def step(self, events):
        """Goes on; whether it is over."""
        try:
            if events & selectors.EVENT_WRITE and self.unsent is not None:
                self.unsent = self.unsent[self.socket.send(self.unsent):]
                if not self.unsent:
                    self.unsent = None
                    self.socket.shutdown(socket.SHUT_WR)
            if events & selectors.EVENT_READ:
                data = self.socket.recv(65536)
                self.answer.append(data)
                return not data
        except BlockingIOError:
            pass
        except OSError:
            if self.unsent is None:
                return True
            self.unsent = None  # refused while it was still being sent; the answer may be there
        return False


def send_all(port, requests, at_once=64, timeout=60):
    """Each request on a connection of its own, half-closed behind it; gives all that was answered, in order."""
    answers = [b""] * len(requests)
    waiting = iter(enumerate(requests))
    with selectors.DefaultSelector() as selector:
        while True:
            while len(selector.get_map()) < at_once and (next_one := next(waiting, None)):
                made = Connection(port, *next_one)
                selector.register(made.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, made)
            if not selector.get_map():
                return answers
            ready = selector.select(timeout)
            assert ready, "no connection came to an end"
            for key, events in ready:
                connection = key.data
                if connection.step(events):
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    answers[connection.index] = b"".join(connection.answer)
                elif connection.unsent is None and key.events & selectors.EVENT_WRITE:
                    selector.modify(connection.socket, selectors.EVENT_READ, connection)
