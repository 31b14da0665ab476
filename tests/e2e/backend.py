"""A backend that a test scripts. It notes every request and every byte that reaches it, and by default answers
with what it received, as JSON. A script is a function of a Call; it may be slow, wrong or rude as it likes.

One thread a connection: plain to read, and enough for the few hundred connections tests make."""

import hashlib
import json
import socket
import struct
import threading

KEPT_BODY_BYTES = 1 << 20


class Request:
    def __init__(self, connection, method, target, version, headers, raw):
        self.connection, self.method, self.target = connection, method, target
        self.version, self.headers, self.raw = version, headers, raw
        self.body = b""  # at most the first KEPT_BODY_BYTES
        self.body_length = 0
        self.body_sha256 = hashlib.sha256(b"").hexdigest()
        self.trailers = []
        self.is_complete = not request_has_body(self)

    def header(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __repr__(self):
        return f"<{self.method} {self.target} {self.headers}>"


class Ended(Exception):
    """The other side closed, or the backend is stopping."""


class Call:
    """One request as a script sees it."""

    def __init__(self, backend, connection, request):
        self.backend, self.connection, self.request = backend, connection, request
        self._unread = request_has_body(request)

    def send(self, data):
        self.connection.socket.sendall(data)

    def read_body(self):
        """Reads and hashes the body. The first call reads; later ones do nothing."""
        if not self._unread:
            return self.request.body
        self._unread = False
        if self.request.header("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest = hashlib.sha256()
        try:
            for part in self.connection.read_body(self.request):
                digest.update(part)
                self.request.body_length += len(part)
                if len(self.request.body) < KEPT_BODY_BYTES:
                    self.request.body += part
        except (ValueError, AssertionError):
            self.backend.unparsed.append(self.connection.buffer)
            raise Ended from None
        self.request.body_sha256 = digest.hexdigest()
        self.request.is_complete = True
        return self.request.body

    def respond(self, status=200, headers=(), body=b""):
        lines = [f"HTTP/1.1 {status} Status"] + [f"{name}: {value}" for name, value in headers]
        if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if self.request.method == "HEAD" else body))

    def describe(self):
        """The default answer: what was received."""
        self.read_body()
        request = self.request
        body = json.dumps({
            "backend": self.backend.name, "method": request.method, "target": request.target,
            "headers": request.headers, "body_length": request.body_length,
            "body_sha256": request.body_sha256, "trailers": request.trailers,
        }).encode()
        self.respond(200, [("Content-Type", "application/json")], body)

    def close(self):
        self.connection.close()
        raise Ended

    def reset(self):
        self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def wait(self, seconds):
        """Sleeps, ending early when the backend stops."""
        if self.backend.stopping.wait(seconds):
            raise Ended


def request_has_body(request):
    return request.header("transfer-encoding") is not None or request.header("content-length", "0") != "0"


class Connection:
    def __init__(self, backend, accepted):
        self.backend, self.socket, self.buffer = backend, accepted, b""
        self.bytes_received = 0
        self.requests = 0

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def more(self):
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            raise Ended from None
        if not data:
            raise Ended
        self.bytes_received += len(data)
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        data, self.buffer = self.buffer.split(mark, 1)
        return data

    def exactly(self, count):
        """Yields parts that together are count bytes, without gathering them."""
        while count:
            if not self.buffer:
                self.more()
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(part)
            yield part

    def read_request(self):
        raw = self.until(b"\r\n\r\n")
        first, *rest = raw.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in rest]
        self.requests += 1
        return Request(self, method, target, version, headers, raw)

    def read_body(self, request):
        if request.header("transfer-encoding") is None:
            yield from self.exactly(int(request.header("content-length", "0")))
            return
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            yield from self.exactly(size)
            assert b"".join(self.exactly(2)) == b"\r\n"
        while line := self.until(b"\r\n"):
            request.trailers.append(tuple(part.strip() for part in line.decode("latin-1").split(":", 1)))


class Backend:
    def __init__(self, script=None, name="backend", port=0, address="127.0.0.1"):
        self.name = name
        self.script = script or Call.describe
        self.requests = []     # in the order their heads were complete
        self.connections = []  # every connection ever accepted
        self.unparsed = []     # what could not be read as a request
        self.stopping = threading.Event()
        self._listener = socket.create_server((address, port), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self.address = f"{address}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, accepted)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while not self.stopping.is_set():
                try:
                    request = connection.read_request()
                except (ValueError, TypeError):
                    self.unparsed.append(connection.buffer)
                    break
                self.requests.append(request)
                call = Call(self, connection, request)
                self.script(call)
                call.read_body()
        except (Ended, OSError):
            pass
        finally:
            connection.close()

    def paths(self):
        return [request.target for request in self.requests]

    def close_connections(self):
        """Closes every open connection, as a backend does that restarts or times idle ones out."""
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.stopping.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.close_connections()


def unused_port():
    """A port nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
