"""A client on a raw socket: tests say byte for byte what is sent and see byte for byte what comes back.
Strict on purpose: an answer that RFC 9112 does not allow fails the test that reads it."""

import json
import socket
import struct
import time

SECONDS_TO_WAIT = 20


class Closed(Exception):
    """The gate closed the connection where an answer was expected."""


class Response:
    def __init__(self, version, status, phrase, headers):
        self.version, self.status, self.phrase, self.headers = version, status, phrase, headers
        self.body = b""
        self.trailers = []
        self.interim = []  # the 1xx answers that came before, each a Response

    def header(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times: {values}"
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def challenge(self, scheme="Bearer"):
        """The challenge of a scheme; each stands in a field of its own."""
        found = [value for value in self.all("www-authenticate") if value.split(" ", 1)[0] == scheme]
        assert len(found) <= 1, found
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The body of a problem+json answer, after checking what every such answer must carry."""
        assert self.header("content-type") == "application/problem+json", self
        problem = self.json()
        assert {"type", "title", "status", "reason", "request_id"} <= set(problem), problem
        assert problem["status"] == self.status
        assert self.header("x-request-id") == problem["request_id"]
        assert self.header("proxy-status", "").startswith("gatehouse; error=" + problem["reason"])
        return problem

    @property
    def reason(self):
        return self.problem()["reason"]

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"


def head(method, target, headers=(), host="gate.test", version="HTTP/1.1"):
    """A request head; host=None leaves Host out."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines += [f"{name}: {value}" for name, value in pairs]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(parts, trailers=()):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    end = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode()
    return body + b"0\r\n" + end + b"\r\n"


class Client:
    """One connection. Usable in `with`."""

    def __init__(self, port, address="127.0.0.1", source=None, timeout=SECONDS_TO_WAIT):
        self.socket = socket.create_connection((address, port), timeout=timeout,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data, pause=0, size=None):
        """Sends all of data; with size in pieces of that many bytes, pausing between them."""
        if size is None:
            self.socket.sendall(data)
            return
        for start in range(0, len(data), size):
            self.socket.sendall(data[start:start + size])
            time.sleep(pause)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def request(self, method, target, headers=(), body=None, **options):
        """Sends one whole request and reads its answer."""
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        if body is not None and not any(name.lower() in ("content-length", "transfer-encoding")
                                        for name, _ in headers):
            headers.append(("Content-Length", len(body)))
        self.send(head(method, target, headers, **options) + (body or b""))
        return self.read_response(method)

    def get(self, target, headers=(), **options):
        return self.request("GET", target, headers, **options)

    # --- Reading ---

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(f"closed; unread: {self.buffer[:200]!r}")
        self.buffer += data

    def read_until(self, mark):
        while mark not in self.buffer:
            self._more()
        data, self.buffer = self.buffer.split(mark, 1)
        return data

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_to_end(self):
        try:
            while True:
                self._more()
        except (Closed, ConnectionResetError):
            data, self.buffer = self.buffer, b""
            return data

    def is_closed(self, within=SECONDS_TO_WAIT):
        """Whether the gate closes the connection, sending nothing more first."""
        self.socket.settimeout(within)
        try:
            return self.socket.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def read_head(self):
        text = self.read_until(b"\r\n\r\n").decode("latin-1")
        first, *rest = text.split("\r\n")
        version, status, phrase = (first + " ").split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = []
        for line in rest:
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), f"malformed header line {line!r}"
            headers.append((name, value.strip()))
        return Response(version, int(status), phrase.strip(), headers)

    def read_response(self, method="GET"):
        interim = []
        while True:
            response = self.read_head()
            if response.status == 101 or response.status >= 200:
                break
            interim.append(response)
        response.interim = interim
        if response.status != 101:
            self.read_body(response, method)
        return response

    def read_body(self, response, method="GET"):
        coding = response.header("transfer-encoding")
        length = response.header("content-length")
        assert not (coding and length), "both framings in one answer"
        if method == "HEAD" or response.status in (204, 304):
            return
        if coding:
            assert coding == "chunked"
            parts = []
            while True:
                size = int(self.read_until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    break
                parts.append(self.read_exactly(size))
                assert self.read_exactly(2) == b"\r\n"
            response.body = b"".join(parts)
            while line := self.read_until(b"\r\n"):
                name, _, value = line.decode().partition(":")
                response.trailers.append((name, value.strip()))
        elif length is not None:
            response.body = self.read_exactly(int(length))
        else:
            response.body = self.read_to_end()


def fetch(port, method="GET", target="/", headers=(), body=None, **options):
    """One request on a connection of its own."""
    with Client(port) as client:
        return client.request(method, target, headers, body, **options)
