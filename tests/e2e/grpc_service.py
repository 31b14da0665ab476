"""A gRPC service for tests on grpcio, and its client: the methods of gRPC's interop tests with messages that are
plain bytes, so that nothing is generated. The first four bytes of a message say how long an answer is wanted."""

import concurrent.futures
import json
import struct
import threading

import grpc

SERVICE = "gatehouse.testing.Test"
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


def message(wanted, size=0):
    return struct.pack(">I", wanted) + bytes(size)


def wanted(request):
    return struct.unpack(">I", request[:4])[0]


class Test:
    """.cancelled is set when the server learns that a caller is gone; .calls has (method, metadata) of each."""

    def __init__(self):
        self.calls, self.cancelled, self.release = [], threading.Event(), threading.Event()

    def _note(self, method, context):
        self.calls.append((method, dict(context.invocation_metadata()), context.time_remaining()))

    def empty(self, request, context):
        self._note("Empty", context)
        assert request == b""
        return b""

    def unary(self, request, context):
        self._note("Unary", context)
        return bytes(wanted(request))

    def secret(self, request, context):
        self._note("Secret", context)
        return b"secret"

    def collect(self, requests, context):
        self._note("Collect", context)
        return str(sum(len(request) for request in requests)).encode()

    def spread(self, request, context):
        self._note("Spread", context)
        for size in json.loads(request):
            yield bytes(size)

    def talk(self, requests, context):
        self._note("Talk", context)
        for request in requests:
            yield bytes(wanted(request))

    def wait(self, request, context):
        self._note("Wait", context)
        context.add_callback(self.cancelled.set)
        while context.is_active() and not self.release.wait(0.01):
            pass
        return b""

    def fail(self, request, context):
        """Answers with the status that is asked for."""
        self._note("Fail", context)
        asked = json.loads(request)
        code = next(c for c in grpc.StatusCode if c.value[0] == asked["code"])
        context.abort(code, asked["message"])

    def metadata(self, requests, context):
        """Sends two of the caller's entries back, one in the head and one in the trailers."""
        self._note("Metadata", context)
        entries = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-initial", entries["x-initial"])])
        context.set_trailing_metadata([("x-trailing-bin", entries["x-trailing-bin"])])
        for request in requests:
            yield request

    def handlers(self):
        kinds = {"Empty": ("unary_unary", self.empty), "Unary": ("unary_unary", self.unary),
                 "Secret": ("unary_unary", self.secret), "Denied": ("unary_unary", self.secret),
                 "Collect": ("stream_unary", self.collect), "Spread": ("unary_stream", self.spread),
                 "Talk": ("stream_stream", self.talk), "Wait": ("unary_unary", self.wait),
                 "Fail": ("unary_unary", self.fail), "Metadata": ("stream_stream", self.metadata)}
        return {name: getattr(grpc, f"{kind}_rpc_method_handler")(function)
                for name, (kind, function) in kinds.items()}


class GrpcServer:
    """.address is where it listens; with certificate (see pki.py) it speaks TLS."""

    def __init__(self, certificate=None):
        self.test = Test()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16),
                                  options=[("grpc.max_receive_message_length", -1)])
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self.test.handlers()),))
        if certificate:
            pair = (certificate.key.read_bytes(), certificate.certificate.read_bytes())
            self.port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def stop(self):
        self.test.release.set()
        self.server.stop(0).wait()


class Stub:
    """The service's methods as a client calls them."""

    def __init__(self, port, ca=None, service=SERVICE):
        options = [*OPTIONS, ("grpc.max_receive_message_length", -1)]
        if ca:
            self.channel = grpc.secure_channel(
                f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca.read_bytes()),
                options=[*options, ("grpc.ssl_target_name_override", "gate.test")])
        else:
            self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self.service = service

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def unary(self, method, request=b"", **options):
        options.setdefault("timeout", 20)
        return self.channel.unary_unary(f"/{self.service}/{method}")(request, **options)

    def call(self, method, request=b"", **options):
        """The call in flight, to cancel or to look at."""
        return self.channel.unary_unary(f"/{self.service}/{method}").future(request, **options)

    def collect(self, requests, **options):
        return self.channel.stream_unary(f"/{self.service}/Collect")(requests, timeout=20, **options)

    def spread(self, request, **options):
        return self.channel.unary_stream(f"/{self.service}/Spread")(request, timeout=20, **options)

    def talk(self, requests, method="Talk", **options):
        return self.channel.stream_stream(f"/{self.service}/{method}")(requests, timeout=20, **options)


def failure(function, *arguments, **options):
    """The RpcError that a call ends with."""
    try:
        function(*arguments, **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")
