"""The measures of TLS, HTTP/2 and gRPC: nginx, haproxy and gatehouse with the same certificate, versions and cipher,
and CPU per unit against the better of the two peers."""

import json
import socket
import ssl
import statistics
import time

from contenders import spread
from measures import in_turn, measure, paced_windows, ratios


def over_tls(bench, backend="http1"):
    """The peers and the gate with a TLS port each; the relay speaks none."""
    found = [bench.nginx(backend), bench.haproxy(backend)]
    return found + ([bench.tls_gate(backend=backend)] if bench.has_gatehouse() else [])


def beside_the_better(bench, unit, goal, backend="http1", **how):
    """Rows for CPU per unit of a load beside nginx and haproxy, in ratio to the better of the two."""
    results = in_turn(bench, over_tls(bench, backend), lambda contender: bench.cpu_per_request(contender, **how))
    better = min(("nginx", "haproxy"), key=lambda name: statistics.median(r["us"] for r in results[name]))
    return [
        {"figure": f"µs a {unit}", "values": {n: spread([r["us"] for r in rs]) for n, rs in results.items()}},
        {"figure": "against the better of the two", "goal": goal,
         "values": {n: spread(rs, "{:.2f}×") for n, rs in ratios(results, "us", better).items()}},
        {"figure": "a second", "values": {n: spread([r["rate"] for r in rs], "{:,.0f}") for n, rs in results.items()}},
    ], results


@measure
def https(bench):
    """CPU per small keep-alive request over TLS 1.3 at 64 connections"""
    return beside_the_better(bench, "request", "≤ 0.9×", scheme="https")


def joined(parts):
    """One table of several; parts: pairs of a name and what a measure gives."""
    return sum((rows for _, (rows, _) in parts), []), {name: raw for name, (_, raw) in parts}


@measure
def h2(bench):
    """CPU per HTTP/2 request over TLS, 100 streams on each of 4 connections; to an HTTP/1.1 and an HTTP/2 backend"""
    return joined([(backend, beside_the_better(bench, f"request, h2 to {backend}", "≤ 1×", backend=backend,
                                               load=bench.h2load, connections=4, streams=100))
                   for backend in ("http1", "http2")])


@measure
def grpc(bench):
    """CPU per unary gRPC call over TLS, 10 at a time on each of 16 connections"""
    return beside_the_better(bench, "call", "≤ 0.9×", backend="http2", load=bench.grpc)


@measure
def handshake(bench):
    """CPU per TLS 1.3 connection (ECDSA P-256, X25519): only its handshake, and with one request"""
    return joined([(unit, beside_the_better(bench, unit, "≤ 1×", load=bench.handshakes, kind=kind, path=path))
                   for kind in ("full", "resumed")
                   for unit, path in ((f"{kind} handshake", None), (f"{kind} handshake and request", "/x/small"))])


# RFC 9113 §3.4: the preface, empty SETTINGS, then stream 1 asking for GET /x/small at bench.test.
HTTP2_REQUEST = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0" + bytes(4) +
                 b"\0\0\x18\1\5\0\0\0\1" + b"\x82\x87" + b"\4\x08/x/small" + b"\1\x0abench.test")
HTTP1_REQUEST = b"GET /x/small HTTP/1.1\r\nHost: bench.test\r\n\r\n"


def client_context(alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


def tls_client(port, context, request):
    """A connection on which one request was answered. Waits for the body's end, or its last bytes' frame."""
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="bench.test")
    client.sendall(request)
    answer = b""
    while b"hello .\n" not in answer:
        part = client.recv(65536)
        assert part, answer
        answer += part
    return client


@measure
def idle_tls(bench):
    """Memory per idle TLS 1.3 connection, after one request each (user space)"""
    count = 3000
    rows, raw = [], {}
    for alpn, request in (("http/1.1", HTTP1_REQUEST), ("h2", HTTP2_REQUEST)):
        values, context = {}, client_context(alpn)
        for contender in over_tls(bench):
            bench.wrk(contender, seconds=1, scheme="https")
            before = contender.process.memory_kib()
            clients = [tls_client(contender.tls_port, context, request) for _ in range(count)]
            time.sleep(0.3)
            grown = (contender.process.memory_kib() - before) * 1024 / count
            values[contender.name] = f"{grown:,.0f}"
            raw[f"{contender.name}, {alpn}"] = grown
            for client in clients:
                client.close()
            contender.process.stop()
        rows.append({"figure": f"bytes a connection, {alpn}", "goal": "≤ 16,384", "values": values})
    return rows, raw


# Each from one address: what floods, and with how many connections.
FLOODS = {"rapid_reset": 4, "continuation": 4, "settings": 4, "zero_window": 100, "slow handshakes": 4000}


@measure
def floods(bench):
    """Latency of others at 2,000 requests a second, and memory, while one client floods"""
    rows, raw = [], {}
    for kind, connections in FLOODS.items():
        found = over_tls(bench)
        results = {contender.name: {"before": [], "during": [], "grown_mib": [], "flood": []} for contender in found}
        for _ in range(bench.rounds):
            for contender in found:
                under_flood(bench, contender, kind, connections, results[contender.name])
        for contender in found:
            contender.process.stop()
        rows += flood_rows(kind, results)
        raw[kind] = results
    return rows, raw


def under_flood(bench, contender, kind, connections, result):
    result["before"] += paced_windows(bench, contender)
    memory = contender.process.memory_kib()
    beginning = (bench.dribbling(contender.tls_port, connections, what="tls") if kind == "slow handshakes" else
                 bench.flooding(contender, kind, connections))
    with beginning as flood:
        result["during"] += paced_windows(bench, contender)
        result["grown_mib"].append((contender.process.memory_kib() - memory) / 1024)
    result["flood"].append(json.loads(flood.stdout.read()))
    time.sleep(1)  # for the proxy to put the connections away


def flood_rows(kind, results):
    def row(figure, ask, form="{:.0f}", goal=""):
        return {"figure": f"{kind}: {figure}", "goal": goal,
                "values": {name: spread(ask(result), form) for name, result in results.items()}}

    def slower(result):
        usual = statistics.median(window["p99"] for window in result["before"])
        return [window["p99"] / usual for window in result["during"]]

    return [
        row("p99 µs before", lambda r: [window["p99"] for window in r["before"]]),
        row("p99 during against before", slower, "{:.2f}×", "≤ 2×"),
        row("requests of others failed", lambda r: [window["failed"] for window in r["during"]], goal="0"),
        row("CPU, % of a core", lambda r: [window["cpu_percent"] for window in r["during"]]),
        row("memory grown, MiB", lambda r: r["grown_mib"], "{:.1f}", "bounded"),
    ]
