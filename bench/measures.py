"""The measures of ./dev bench, one function each: it asks its questions of the contenders of a Bench and gives the
rows of its table and the raw figures behind them."""

import socket
import subprocess
import threading
import time

from contenders import OPEN_SERVICE, spread

MEASURES = {}


def measure(function):
    MEASURES[function.__name__] = function
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
    values, raw = {}, {}
    for gate in (bench.open_gate, bench.key_gate, bench.jwt_gate):
        count_file = bench.folder / f"allocations-{gate.__name__}"
        contender = gate(environ={"LD_PRELOAD": str(bench.tools / "libbench_alloc_count.so"),
                                  "ALLOC_COUNT_FILE": str(count_file)})

        def counted(seconds):
            before = int.from_bytes(count_file.read_bytes()[:8], "little")
            requests = bench.wrk(contender, seconds=seconds)["requests"]
            return int.from_bytes(count_file.read_bytes()[:8], "little") - before, requests

        counted(2)
        # Two lengths, so that what opening the connections costs cancels out.
        short, long = counted(2), counted(6)
        per_request = (long[0] - short[0]) / (long[1] - short[1])
        raw[contender.name] = {"short": short, "long": long, "per_request": per_request}
        values[contender.name] = f"{per_request:.4f}"
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
    """30 s of load while rules, backends and the gate's file change every 200 ms, valid and broken in turn"""
    if not bench.has_gatehouse():
        return [{"figure": "harm", "goal": "none", "values": {}}], {}
    contender = bench.open_gate()
    service, gate = contender.folder / "services/x.yaml", contender.folder / "gatehouse.yaml"
    local = contender.folder / "environments/local.yaml"
    other = contender.folder / "services/y.yaml"
    good_service, good_gate, good_local = service.read_text(), gate.read_text(), local.read_text()
    load = {}
    loader = threading.Thread(target=lambda: load.update(bench.wrk(contender, seconds=30)))
    loader.start()
    number = 0
    while loader.is_alive():
        changes = [
            (service, good_service + f"# {number}\n"), (service, "access: ["), (gate, good_gate + f"# {number}\n"),
            (gate, "listen: ["), (local, good_local + bench.values("y")), (local, good_local + bench.values("z", "y")),
            (other, OPEN_SERVICE.replace("/x", "/y")), (other, None),
        ]
        path, text = changes[number % len(changes)]
        if text is None:
            path.unlink()
        else:
            path.with_name(".aside").write_text(text)
            path.with_name(".aside").rename(path)
        number += 1
        time.sleep(0.2)
    loader.join()
    return [{"figure": f"{load['requests']:,} requests, {number} changes", "goal": "no harm", "values": {
        "gatehouse": f"{load['non_2xx']} non-2xx, errors: {load['socket_errors'] or 'none'}"}}], load


@measure
def slow(bench):
    """Latency of others while 8,000 clients dribble a byte a second"""
    count = 8000
    found = ([bench.open_gate()] if bench.has_gatehouse() else []) + [bench.nginx(), bench.haproxy()]
    rows, raw = {"before": {}, "during": {}, "memory": {}}, {}
    for contender in found:
        before = bench.paced(contender, 2000, 4, 16)
        memory = contender.process.memory_kib()
        head = f"GET {contender.path} HTTP/1.1\r\nHost: bench.test\r\nX-Padding: {'x' * 500}\r\n\r\n".encode()
        clients = [socket.create_connection(("127.0.0.1", contender.port)) for _ in range(count)]
        stopping = threading.Event()

        def dribble():
            position = 0
            while not stopping.is_set():
                began = time.monotonic()
                for client in clients:
                    try:
                        client.send(head[position:position + 1])
                    except OSError:
                        pass  # the proxy may tire of it
                position += 1
                stopping.wait(max(0, began + 1 - time.monotonic()))

        thread = threading.Thread(target=dribble)
        thread.start()
        time.sleep(2)
        during = bench.paced(contender, 2000, 6, 16)
        grown = contender.process.memory_kib() - memory
        stopping.set()
        thread.join()
        for client in clients:
            client.close()
        raw[contender.name] = {"before": before, "during": during, "grown_kib": grown}
        rows["before"][contender.name] = f"{before['p99']:.0f}"
        rows["during"][contender.name] = f"{during['p99']:.0f} ({during['failed']} failed)"
        rows["memory"][contender.name] = f"{grown / 1024:.1f}"
    return [
        {"figure": "p99 µs before", "values": rows["before"]},
        {"figure": "p99 µs during", "goal": "barely moves", "values": rows["during"]},
        {"figure": "memory grown, MiB", "goal": "bounded", "values": rows["memory"]},
    ], raw
