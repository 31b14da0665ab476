"""A Backend (see backend.py) that speaks HTTP/2, in clear text by prior knowledge, or TLS with whichever version
ALPN agreed on. It is written on python3-h2, which is strict and independent of what the gate uses. Scripts see
the same Call; a body that a script has not read holds its window closed."""

import hashlib
import select
import ssl
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from backend import KEPT_BODY_BYTES, Backend, Call, Ended, Request


class H2Call(Call):
    """One stream. A thread of its own runs the script."""

    def __init__(self, backend, connection, request, stream, has_body):
        super().__init__(backend, connection, request)
        self.stream, self._unread = stream, has_body
        self.arrived, self.is_whole, self.reset_code = [], not has_body, None

    def body_parts(self):
        """The body in parts as they arrive; each one's window is given back when the next is asked for."""
        while True:
            with self.connection.changed:
                self.connection.wait_for(lambda: self.arrived or self.is_whole or self.reset_code is not None)
                if self.reset_code is not None:
                    raise Ended
                if not self.arrived:
                    return
                part, counted = self.arrived.pop(0)
            yield part
            self.connection.give_back(counted, self.stream)

    def read_body(self):
        if not self._unread:
            return self.request.body
        self._unread = False
        digest = hashlib.sha256()
        for part in self.body_parts():
            digest.update(part)
            self.request.body_length += len(part)
            if len(self.request.body) < KEPT_BODY_BYTES:
                self.request.body += part
        self.request.body_sha256 = digest.hexdigest()
        self.request.is_complete = True
        return self.request.body

    def send_head(self, status=200, headers=(), end=False):
        pairs = [(":status", str(status)), *((name.lower(), str(value)) for name, value in headers)]
        self.connection.locked(lambda h2c: h2c.send_headers(self.stream, pairs, end_stream=end))

    def send_data(self, data, end=False):
        view = memoryview(data)
        while len(view):
            size = self.connection.wait_for_window(self)
            part, view = bytes(view[:size]), view[size:]
            self.connection.locked(lambda h2c: h2c.send_data(self.stream, part))
        if end:
            self.connection.locked(lambda h2c: h2c.end_stream(self.stream))

    def send_trailers(self, trailers):
        self.connection.locked(lambda h2c: h2c.send_headers(self.stream, list(trailers), end_stream=True))

    def respond(self, status=200, headers=(), body=b"", trailers=()):
        headers = list(headers)
        if not trailers and not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("content-length", len(body)))
        is_head = self.request.method == "HEAD"
        self.send_head(status, headers, end=is_head or not (body or trailers))
        if is_head or not (body or trailers):
            return
        self.send_data(body, end=not trailers)
        if trailers:
            self.send_trailers(trailers)

    def send(self, data):
        raise NotImplementedError("scripts for HTTP/2 use respond(), send_head(), send_data()")

    def reset(self, code=h2.errors.ErrorCodes.INTERNAL_ERROR):
        self.connection.locked(lambda h2c: h2c.reset_stream(self.stream, code))
        raise Ended


class H2Connection:
    """The state of one connection; its reader is the only one that receives."""

    def __init__(self, backend, connection, settings):
        self.backend, self.connection, self.socket = backend, connection, connection.socket
        self.calls = {}
        self.changed = threading.Condition()
        self.is_over = False
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100, **settings})
        self.h2.initiate_connection()
        # So that a stream whose body is not read holds up no other.
        self.h2.increment_flow_control_window(1 << 30)
        self._flush()

    def _flush(self):
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def locked(self, action):
        with self.changed:
            if self.is_over:
                raise Ended
            try:
                action(self.h2)
                self._flush()
            except (h2.exceptions.ProtocolError, OSError):
                raise Ended from None

    def wait_for(self, condition):
        """With the lock held."""
        while not condition():
            if self.is_over or self.backend.stopping.is_set():
                raise Ended
            self.changed.wait(0.5)

    def wait_for_window(self, call):
        def window():
            return call.reset_code is not None or self.h2.local_flow_control_window(call.stream) > 0
        with self.changed:
            try:
                self.wait_for(window)
                if call.reset_code is not None:
                    raise Ended
                return min(self.h2.local_flow_control_window(call.stream), self.h2.max_outbound_frame_size)
            except h2.exceptions.ProtocolError:
                raise Ended from None

    def give_back(self, count, stream):
        def action(h2c):
            try:
                h2c.acknowledge_received_data(count, stream)
            except (h2.exceptions.StreamClosedError, KeyError):
                pass
        self.locked(action)

    def _receive(self):
        if not isinstance(self.socket, ssl.SSLSocket):
            return self.socket.recv(1 << 18)
        # A TLS connection must not be read and written at the same time.
        while not self.socket.pending() and not select.select([self.socket], [], [], 0.5)[0]:
            if self.backend.stopping.is_set():
                return b""
        with self.changed:
            return self.socket.recv(1 << 18)

    def serve(self):
        try:
            while data := self._receive():
                self.connection.bytes_received += len(data)
                with self.changed:
                    for event in self.h2.receive_data(data):
                        self._take(event)
                    self._flush()
                    self.changed.notify_all()
        except h2.exceptions.ProtocolError as wrong:
            self.backend.unparsed.append(str(wrong))
            with self.changed:
                self._flush()
        finally:
            with self.changed:
                self.is_over = True
                self.changed.notify_all()

    def _take(self, event):
        call = self.calls.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            call.arrived.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.TrailersReceived):
            call.request.trailers = [tuple(pair) for pair in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            call.is_whole = True
        elif isinstance(event, h2.events.StreamReset) and call:
            call.reset_code = int(event.error_code)
            self.backend.resets.append(call.reset_code)

    def _begin(self, event):
        pseudo = {name: value for name, value in event.headers if name.startswith(":")}
        fields = [("host", pseudo[":authority"])] if ":authority" in pseudo else []
        fields += [(name, value) for name, value in event.headers if not name.startswith(":")]
        request = Request(self.connection, pseudo[":method"], pseudo.get(":path", ""), "HTTP/2", fields, b"")
        request.pseudo = pseudo
        request.is_complete = event.stream_ended is not None
        self.connection.requests += 1
        self.backend.requests.append(request)
        call = H2Call(self.backend, self, request, event.stream_id, not request.is_complete)
        self.calls[event.stream_id] = call
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def _run(self, call):
        try:
            self.backend.script(call)
            call.read_body()
        except (Ended, OSError):
            pass
        except h2.exceptions.ProtocolError:
            pass

    def close(self):
        self.connection.close()


class H2Backend(Backend):
    """tls is an ssl.SSLContext of a server; with ALPN for http/1.1 it serves that too. settings are HTTP/2's."""

    def __init__(self, script=None, tls=None, settings=None, **options):
        self.tls, self.settings = tls, settings or {}
        self.resets = []      # the codes of the RST_STREAM frames that came
        self.handshakes = []  # of each good handshake: the ssl socket's version, server name, client certificate
        self.refusals = []    # why a handshake failed, as the peer or OpenSSL says
        super().__init__(script, **options)

    def _serve(self, connection):
        if self.tls and not self._shake_hands(connection):
            return connection.close()
        if self.tls and connection.socket.selected_alpn_protocol() != "h2":
            return super()._serve(connection)
        try:
            H2Connection(self, connection, self.settings).serve()
        except (Ended, OSError):
            pass
        finally:
            connection.close()

    def _shake_hands(self, connection):
        try:
            connection.socket.settimeout(20)
            connection.socket = self.tls.wrap_socket(connection.socket, server_side=True)
            connection.socket.settimeout(None)
        except (ssl.SSLError, OSError) as failure:
            self.refusals.append(str(failure))
            return False
        self.handshakes.append({"alpn": connection.socket.selected_alpn_protocol(),
                                "version": connection.socket.version(),
                                "name": getattr(connection.socket, "server_name", None),
                                "certificate": connection.socket.getpeercert(binary_form=True)})
        return True


def server_tls(certificate, alpn=("h2", "http/1.1"), client_ca=None):
    """A server's context that notes the name it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(client_ca))

    def note_name(connection, name, _):
        connection.server_name = name
    context.sni_callback = note_name
    return context
