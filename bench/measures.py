"""The measures of ./dev bench, one function each: it asks its questions of the contenders of a Bench and gives the
rows of its table and the raw figures behind them. measures_tls.py has those of TLS, HTTP/2 and gRPC."""

import functools
import re
import socket
import subprocess
import threading
import time

from contenders import OPEN_SERVICE, spread

MEASURES = {}


def measure(function):
    MEASURES[function.__name__.replace("_", "-")] = function
    return function


def contenders(bench, *gates):
    """The peers, then the gates (functions that start one), when there is a binary to measure."""
    found = [bench.relay(), bench.nginx(), bench.haproxy()]
    return found + ([gate() for gate in gates] if bench.has_gatehouse() else [])


def in_turn(bench, found, ask):
    """ask(contender) for each in turn, round by round; a warm-up round is thrown away."""
    results = {contender.name: [] for contender in found}
    for contender in found:
        bench.wrk(contender, seconds=1)
    for _ in range(bench.rounds):
        for contender in found:
            results[contender.name].append(ask(contender))
    return results


def ratios(results, key, base):
    """Each round's figure by the base's figure of the same round."""
    return {name: [one[key] / other[key] for one, other in zip(values, results[base])]
            for name, values in results.items() if base in results}


@measure
def cpu(bench):
    """CPU per small keep-alive request at 64 connections"""
    found = contenders(bench, bench.open_gate, bench.key_gate, bench.jwt_gate)
    relays = {gate.name: bench.relay(gate.name.replace("gatehouse", "relay"), like=gate)
              for gate in found if gate.headers}
    results = in_turn(bench, found + list(relays.values()), bench.cpu_per_request)
    to_relay, to_nginx = ratios(results, "us", "relay"), ratios(results, "us", "nginx")
    for name, relay in relays.items():
        to_relay[name] = ratios(results, "us", relay.name)[name]
    return [
        {"figure": "µs a request", "values": {n: spread([r["us"] for r in rs]) for n, rs in results.items()}},
        {"figure": "against the relay, the same requests", "goal": "key ≤ 1.2×, JWT ≤ 1.25×",
         "values": {n: spread(rs, "{:.2f}×") for n, rs in to_relay.items()}},
        {"figure": "against nginx", "goal": "key ≤ 0.9×",
         "values": {n: spread(rs, "{:.2f}×") for n, rs in to_nginx.items()}},
        {"figure": "requests a second", "values": {n: spread([r["rate"] for r in rs], "{:,.0f}")
                                                   for n, rs in results.items()}},
    ], results


@measure
def latency(bench):
    """Latency at a fixed rate: half of what nginx can do, the same for all"""
    found = contenders(bench, bench.open_gate, bench.key_gate)
    rate = bench.wrk(next(c for c in found if c.name == "nginx"), seconds=2)["rate"] / 2
    results = in_turn(bench, found, lambda contender: bench.paced(contender, rate, bench.seconds))
    to_relay = ratios(results, "p99", "relay")
    rows = [{"figure": f"{point} µs at {rate:,.0f}/s",
             "values": {n: spread([r[point] for r in rs], "{:.0f}") for n, rs in results.items()}}
            for point in ("p50", "p99", "p999")]
    rows.append({"figure": "p99 against the relay", "goal": "≤ 2×",
                 "values": {n: spread(rs, "{:.2f}×") for n, rs in to_relay.items()}})
    return rows, results


GIBI = 1 << 30


@measure
def throughput(bench):
    """1 GiB down and up on one connection: speed, CPU and memory"""
    found = contenders(bench, bench.open_gate)
    big = bench.folder / "big"
    with open(big, "wb") as file:
        file.truncate(GIBI)

    def transfer(contender, arguments, field):
        cpu, memory = contender.process.cpu_seconds(), contender.process.memory_kib()
        url = f"http://127.0.0.1:{contender.port}"
        done = subprocess.run(["taskset", "-c", "1", "curl", "-sS", "--fail", "-o", "/dev/null", "-H", "Expect:",
                               "-w", "%{" + field + "}", *arguments(url)], capture_output=True, text=True, check=True)
        return {"mib_s": float(done.stdout) / (1 << 20), "cpu_s": contender.process.cpu_seconds() - cpu,
                "grown_kib": contender.process.memory_kib() - memory}

    rows, raw = [], {}
    ways = {
        "download": (lambda url: [url + f"/bytes/{GIBI}"], "speed_download"),
        "upload": (lambda url: ["-T", str(big), url + "/x/upload"], "speed_upload"),
    }
    for contender in found:
        contender.path = "/bytes/128"
        if contender.folder:
            (contender.folder / "services/x.yaml").write_text(OPEN_SERVICE.replace("/x", "/"))
            wait_for_path(bench, contender)
    for way, (arguments, field) in ways.items():
        results = {c.name: [] for c in found}
        for _ in range(max(2, bench.rounds // 2)):
            for contender in found:
                results[contender.name].append(transfer(contender, arguments, field))
        raw[way] = results
        rows += [
            {"figure": f"{way} MiB/s", "goal": "≥ nginx", "values": {
                n: spread([r["mib_s"] for r in rs], "{:,.0f}") for n, rs in results.items()}},
            {"figure": f"{way} CPU seconds", "values": {
                n: spread([r["cpu_s"] for r in rs], "{:.2f}") for n, rs in results.items()}},
            {"figure": f"{way} memory grown, KiB", "goal": "constant", "values": {
                n: spread([r["grown_kib"] for r in rs], "{:.0f}") for n, rs in results.items()}},
        ]
    return rows, raw


def wait_for_path(bench, contender, seconds=10):
    end = time.monotonic() + seconds
    while bench.get(contender.port, contender.path, contender.headers)[0] != 200:
        if time.monotonic() > end:
            raise RuntimeError(f"{contender.name} does not serve {contender.path}")
        time.sleep(0.01)


@measure
def idle(bench):
    """Memory per idle keep-alive connection, after one request each (user space)"""
    count = 5000
    found = contenders(bench, bench.open_gate)
    values, raw = {}, {}
    for contender in found:
        bench.wrk(contender, seconds=1)
        before = contender.process.memory_kib()
        clients = []
        request = f"GET {contender.path} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode()
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", contender.port))
            client.sendall(request)
            clients.append(client)
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer
        time.sleep(0.3)
        raw[contender.name] = (contender.process.memory_kib() - before) * 1024 / count
        values[contender.name] = f"{raw[contender.name]:,.0f}"
        for client in clients:
            client.close()
        time.sleep(0.3)
    return [{"figure": "bytes a connection", "goal": "≤ 1,024", "values": values}], raw


@measure
def allocations(bench):
    """Heap allocations per request in steady state"""
    if not bench.has_gatehouse():
        return [{"figure": "allocations a request", "goal": "0", "values": {}}], {}
    http2_gate = functools.partial(bench.tls_gate, backend="http2")
    values, raw = {}, {}
    for name, gate, load, how in (
            ("gatehouse", bench.open_gate, bench.wrk, {}),
            ("gatehouse+key", bench.key_gate, bench.wrk, {}),
            ("gatehouse+jwt", bench.jwt_gate, bench.wrk, {}),
            ("https", bench.tls_gate, bench.wrk, {"scheme": "https"}),
            ("h2", bench.tls_gate, bench.h2load, {"connections": 4, "streams": 100, "scheme": "http"}),
            ("h2 to h2", http2_gate, bench.h2load, {"connections": 4, "streams": 100, "scheme": "http"}),
            ("h2 over TLS", bench.tls_gate, bench.h2load, {"connections": 4, "streams": 100}),
            ("gRPC", http2_gate, bench.grpc, {"scheme": "http"})):
        count_file = bench.folder / f"allocations-{name.replace(' ', '-')}"
        contender = gate(environ={"LD_PRELOAD": str(bench.tools / "libbench_alloc_count.so"),
                                  "ALLOC_COUNT_FILE": str(count_file)})

        def counted(seconds):
            before = int.from_bytes(count_file.read_bytes()[:8], "little")
            requests = load(contender, seconds=seconds, **how)["requests"]
            return int.from_bytes(count_file.read_bytes()[:8], "little") - before, requests

        counted(2)
        # Two lengths, so that what opening the connections costs cancels out.
        short, long = counted(2), counted(6)
        per_request = (long[0] - short[0]) / (long[1] - short[1])
        raw[name] = {"short": short, "long": long, "per_request": per_request}
        values[name] = f"{per_request:.4f}"
        contender.process.stop()
    return [{"figure": "allocations a request", "goal": "0", "values": values}], raw


def many_services(bench, count):
    """Files of `count` services of which s0 is asked; all share one environment value."""
    text = 'match: {{ path: /s{n} }}\nforward: {{ to: "${{origin}}" }}\naccess: [{{ allow: anyone }}]\n'
    files = {f"services/s{n}.yaml": text.format(n=n) for n in range(count)}
    return {**files, "environments/local.yaml": bench.values("origin")}


@measure
def start(bench):
    """From start to the first served request, and memory, by number of services"""
    rows, raw = [], {}
    if not bench.has_gatehouse():
        return [{"figure": "ms to the first request", "goal": "≤ 50 at 100", "values": {}}], {}
    times, memory = {}, {}
    for count in (1, 100, 5000):
        folder = bench.gate_folder(many_services(bench, count))
        taken, used = [], []
        for _ in range(bench.rounds):
            ready = folder.with_name(folder.name + ".ready")
            ready.unlink(missing_ok=True)
            began = time.monotonic()
            contender = bench.run_gate("gatehouse", folder)
            assert bench.get(contender.port, "/s0/x")[0] == 200
            taken.append((time.monotonic() - began) * 1000)
            time.sleep(0.2)
            used.append(contender.process.memory_kib("VmRSS") / 1024)
            contender.process.stop()
        raw[count] = {"ms": taken, "rss_mib": used}
        times[f"{count} services"], memory[f"{count} services"] = spread(taken, "{:.0f}"), spread(used)
    rows.append({"figure": "ms to the first request", "goal": "≤ 50 at 100, ≤ 2,000 at 5,000", "values": times})
    rows.append({"figure": "resident MiB", "goal": "≤ 50 at 5,000", "values": memory})
    return rows, raw


@measure
def lookup(bench):
    """CPU per request with 1 service and with 10,000"""
    if not bench.has_gatehouse():
        return [{"figure": "µs a request", "goal": "equal within 20 %", "values": {}}], {}
    found = [bench.run_gate(f"{count} services", bench.gate_folder(many_services(bench, count)), path="/s0/small")
             for count in (1, 10000)]
    results = in_turn(bench, found, bench.cpu_per_request)
    ratio = ratios(results, "us", "1 services")
    return [
        {"figure": "µs a request", "values": {n: spread([r["us"] for r in rs]) for n, rs in results.items()}},
        {"figure": "against 1 service", "goal": "≤ 1.2×",
         "values": {n: spread(rs, "{:.2f}×") for n, rs in ratio.items()}},
    ], results


@measure
def reload(bench):
    """From the write of one of N service files until it answers, under load"""
    if not bench.has_gatehouse():
        return [{"figure": "ms until served", "goal": "≤ 30 at 5,000", "values": {}}], {}
    rows, raw, times, harm = [], {}, {}, {}
    for count in (1, 100, 5000):
        folder = bench.gate_folder(many_services(bench, count))
        contender = bench.run_gate("gatehouse", folder, path="/s0/small")
        path = folder / f"services/s{count - 1}.yaml"
        text = path.read_text()
        load = {}
        loader = threading.Thread(target=lambda: load.update(bench.wrk(contender, seconds=8, connections=8)))
        loader.start()
        taken = []
        with socket.create_connection(("127.0.0.1", contender.port)) as client:
            ask = f"GET /s{count - 1}/x HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while loader.is_alive() and len(taken) < 30:
                version = f"v{len(taken)}"
                aside = path.with_name(".aside")
                aside.write_text(text + f"headers: {{ response: {{ set: {{ X-Version: {version} }} }} }}\n")
                began = time.monotonic()
                aside.rename(path)
                while f": {version}\r\n".encode() not in answer_of(client, ask):
                    if time.monotonic() - began > 10:
                        raise RuntimeError("a change was not served within 10 s")
                taken.append((time.monotonic() - began) * 1000)
                time.sleep(0.2)
        loader.join()
        raw[count] = {"ms": taken, "load": load}
        times[f"{count} services"] = spread(taken)
        harm[f"{count} services"] = f"{load['non_2xx']} non-2xx, errors: {load['socket_errors'] or 'none'}"
        contender.process.stop()
    rows.append({"figure": "ms until served", "goal": "≤ 30 at 5,000", "values": times})
    rows.append({"figure": "harm to others", "goal": "none", "values": harm})
    return rows, raw


def answer_of(client, request):
    client.sendall(request)
    data = client.recv(65536)
    if not data:
        raise RuntimeError("the connection was closed")
    return data


@measure
def storm(bench):
    """30 s of load while rules, backends and the gate's file change every 200 ms, broken and valid in turn"""
    if not bench.has_gatehouse():
        return [{"figure": "harm", "goal": "none", "values": {}}], {}
    contender = bench.open_gate()
    changes = Changes(bench, contender.folder)
    accepted = connections_accepted(bench, contender)
    bench.wrk(contender, seconds=1)
    opened_by_wrk = connections_accepted(bench, contender) - accepted
    load, taken, others = {}, {"rules": [], "backends": [], "gate": []}, []
    loader = threading.Thread(target=lambda: load.update(bench.wrk(contender, seconds=30)))
    neighbours = threading.Thread(target=lambda: others.append(come_and_go(contender.folder, loader)))
    loader.start()
    neighbours.start()
    # The client's connection is the keep-alive one that every generation answers on.
    with socket.create_connection(("127.0.0.1", contender.port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        while loader.is_alive():
            kind = list(taken)[number % len(taken)]
            changes.break_file(kind)
            time.sleep(0.2)
            began = time.monotonic()
            ask, sign = changes.make(kind, number)
            while sign not in answer_of(client, ask):
                if time.monotonic() - began > 10:
                    raise RuntimeError(f"a change of {kind} was not served within 10 s")
            taken[kind].append((time.monotonic() - began) * 1000)
            time.sleep(max(0, began + 0.2 - time.monotonic()))
            number += 1
    neighbours.join()
    extra = connections_accepted(bench, contender) - accepted - 2 * opened_by_wrk - 1
    harm = (f"{load['non_2xx']} non-2xx, errors: {load['socket_errors'] or 'none'}, "
            f"{extra} connections opened anew")
    every = {"a valid change": sum(taken.values(), []), **{f"one of {kind}": ms for kind, ms in taken.items()}}
    return [
        {"figure": f"{load['requests']:,} requests, {2 * number} changes, {others[0]} of other services",
         "goal": "no harm", "values": {"gatehouse": harm}},
        *({"figure": f"ms until {what} answers", "goal": "≤ 100", "values": {"gatehouse": spread(ms)}}
          for what, ms in every.items()),
    ], {"load": load, "ms": taken, "connections_opened_anew": extra, "changes_of_others": others[0]}


class Changes:
    """Valid and broken versions of one gate's files; each valid one shows in an answer."""

    SERVICE = OPEN_SERVICE + 'headers: { response: { set: { X-Mark: "${mark}" } } }\n'

    def __init__(self, bench, folder):
        self.paths = {"rules": folder / "services/x.yaml", "backends": folder / "environments/local.yaml",
                      "gate": folder / "gatehouse.yaml"}
        self.gate = self.paths["gate"].read_text()
        self.origins = [bench.origin_port, bench.another_origin()]
        replace_file(self.paths["backends"], self.values("first", 0))
        replace_file(self.paths["rules"], self.SERVICE)

    def values(self, mark, number):
        return f'x: ["127.0.0.1:{self.origins[number % 2]}"]\nmark: {mark}\n'

    def break_file(self, kind):
        replace_file(self.paths[kind], "access: [")

    def make(self, kind, number):
        """Writes a version that is valid and new: a request, and what its answer holds from then on."""
        path, text, sign = "/x/small", "", b" 403 "
        if kind == "backends":
            text, sign = self.values(f"v{number}", number), b": v%d\r\n" % number
        else:
            path = f"/x/{kind}/{number}"
            denial = f"{{ name: no{number}, deny: anyone, on: GET {path} }}"
            text = (self.gate + f"access: [{denial}]\n" if kind == "gate" else
                    self.SERVICE.replace("access: [", f"access: [{denial}, "))
        replace_file(self.paths[kind], text)
        return f"GET {path} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode(), sign


def replace_file(path, text):
    """As editors do: written aside and renamed."""
    aside = path.with_name(f".{path.name}.aside")
    aside.write_text(text)
    aside.rename(path)


def come_and_go(folder, loader):
    """Other services are added, sometimes broken, and deleted while the load runs; how often."""
    count = 0
    while loader.is_alive():
        path = folder / f"services/other{count // 2 % 5}.yaml"
        if count % 2:
            path.unlink()
        else:
            replace_file(path, "match: [" if count % 6 == 0 else f"match: {{ path: /{path.stem} }}\n"
                               'forward: { to: "${x}" }\naccess: [{ allow: anyone }]\n')
        count += 1
        time.sleep(0.07)
    return count


def connections_accepted(bench, contender):
    metrics = bench.get(contender.admin, "/metrics")[1].decode()
    return sum(int(n) for n in re.findall(r"^gatehouse_connections_accepted_total\S* (\d+)", metrics, re.MULTILINE))


SLOW_CLIENTS = 8000


def paced_windows(bench, contender):
    """Windows of a second each, so that a moment's disturbance from outside spoils one of them, not all."""
    windows = []
    for _ in range(max(1, round(bench.seconds))):
        cpu = contender.process.cpu_seconds()
        window = bench.paced(contender, 2000, 1, 16)
        windows.append({**window, "cpu_percent": (contender.process.cpu_seconds() - cpu) * 100})
    return windows


@measure
def slow(bench):
    """Latency of others at 2,000 requests a second while 8,000 clients dribble a byte a second"""
    found = ([bench.open_gate()] if bench.has_gatehouse() else []) + [bench.nginx(), bench.haproxy()]
    ways = [(contender, contender.name, contender.port) for contender in found]
    if bench.has_gatehouse():
        # The dribbler talks to itself: what it costs the load's core alone.
        ways.append((found[0], "gatehouse, none dribbling to it", 0))
    results = {name: {"before": [], "during": [], "grown_mib": [], "sent_away": []} for _, name, _ in ways}
    for _ in range(bench.rounds):
        for contender, name, port in ways:
            result = results[name]
            result["before"] += paced_windows(bench, contender)
            memory = contender.process.memory_kib()
            with bench.dribbling(port, SLOW_CLIENTS) as dribbler:
                result["during"] += paced_windows(bench, contender)
                result["grown_mib"].append((contender.process.memory_kib() - memory) / 1024)
            result["sent_away"].append(int(dribbler.stdout.read()))
            time.sleep(1)  # for the proxy to put eight thousand connections away

    def row(figure, ask, form="{:.0f}", goal=""):
        return {"figure": figure, "goal": goal,
                "values": {name: spread(ask(result), form) for name, result in results.items()}}

    return [
        *(row(f"{point} µs {when}", lambda r: [window[point] for window in r[when]],
              goal="barely moves" if (point, when) == ("p99", "during") else "")
          for point in ("p50", "p99") for when in ("before", "during")),
        row("requests of others failed", lambda r: [window["failed"] for window in r["during"]], goal="0"),
        *(row(f"CPU {when}, % of a core", lambda r: [window["cpu_percent"] for window in r[when]])
          for when in ("before", "during")),
        row("memory grown, MiB", lambda r: r["grown_mib"], "{:.1f}", goal="bounded"),
        row("slow clients sent away", lambda r: r["sent_away"]),
    ], results
