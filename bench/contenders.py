"""What is measured and how it is run: the relay, nginx, haproxy and gatehouse before one origin, pinned to cores,
with their CPU time and memory read from /proc. measures.py says what is asked of them."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

PROXY_CORE = "0"
LOAD_CORE = "1"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 64


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise RuntimeError(f"nothing listens on port {port}") from None
            time.sleep(0.005)


def descendants(pid):
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += descendants(int(child))
    return pids


class Process:
    """A started program and its children, all on one core."""

    def __init__(self, command, core, **options):
        self.started = subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)
        self.pid = self.started.pid

    def cpu_seconds(self):
        """User and system time of all threads of all its processes so far."""
        ticks = 0
        for pid in descendants(self.pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_SECOND

    def memory_kib(self, field="RssAnon"):
        total = 0
        for pid in descendants(self.pid):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(rf"^{field}:\s+(\d+)", status, re.MULTILINE).group(1))
        return total

    def stop(self):
        if self.started.poll() is None:
            self.started.send_signal(signal.SIGTERM)
            try:
                self.started.wait(15)
            except subprocess.TimeoutExpired:
                self.started.kill()
                self.started.wait()


class Contender:
    """A proxy under measurement; headers and script are what its requests need to be let in. Some have further ports:
    for TLS, and for HTTP/2 in clear text (where the proxy tells the two HTTPs apart itself, it is the first one)."""

    def __init__(self, name, process, port, path="/x/small", headers=(), script=None, folder=None, admin=None,
                 tls_port=None, http2_port=None):
        self.name, self.process, self.port, self.path = name, process, port, path
        self.headers, self.script, self.folder, self.admin = list(headers), script, folder, admin
        self.tls_port, self.http2_port = tls_port, http2_port or port

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port if scheme == 'http' else self.tls_port}{self.path}"


NGINX = """\
daemon off;
worker_processes 1;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log {folder}/access.log;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl http2;
    listen 127.0.0.1:{http2_port} http2;
    location / {{
      {forward}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"""

# grpc_pass is nginx's one way to speak HTTP/2 to a backend, whatever the request.
NGINX_FORWARD = {"http1": "proxy_pass http://origin;", "http2": "grpc_pass grpc://origin;"}

HAPROXY = """\
global
  nbthread 1
  maxconn 9900
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend front
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls_port} ssl crt {pem} alpn h2,http/1.1
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin} {forward}
"""

HAPROXY_FORWARD = {"http1": "", "http2": "proto h2"}

GATE = """\
listen: [{ address: "127.0.0.1:0" }]
admin: { address: "127.0.0.1:0" }
workers: 1
log: { access: { file: access.log } }
"""

# The same, and a second listener that speaks TLS.
GATE_TLS = GATE.replace(" }]", ' }, { address: "127.0.0.1:0", tls: { certificate: ../pki/tls.pem, key: ../pki/tls.key } }]')

OPEN_SERVICE = "match: { path: /x }\naccess: [{ allow: anyone }]\n"

# An ordinary service: several rules, of which the last lets the benchmark's caller in.
GUARDED_SERVICE = """\
match: { path: /x }
access:
  - { name: health, on: GET /x/health, allow: anyone }
  - { name: support, allow: { provider: %(provider)s, groups: [support] } }
  - { name: writers, on: "POST,PUT,DELETE /x/**", allow: { provider: %(provider)s, scopes: [write] } }
  - { name: banned, deny: { subjects: [mallory, eve] } }
  - { name: readers, on: GET /x/**, allow: { provider: %(provider)s, scopes: [read] } }
"""


class Bench:
    """One measure's world: an origin, contenders started on demand, everything stopped at its end."""

    def __init__(self, options):
        self.options = options
        self.rounds, self.seconds = options.rounds, options.seconds
        self.gatehouse = pathlib.Path(options.gatehouse).absolute()
        self.tools = pathlib.Path(options.tools).absolute()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
        self.running = []

    def __enter__(self):
        # Thousands of connections, here and in what is started from here.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.sched_setaffinity(0, {int(LOAD_CORE)})  # what this program does itself is load, too
        self.origin_port = self.another_origin()
        self.certificate = self.make_certificate()
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command, core=PROXY_CORE, **options):
        process = Process(command, core, **options)
        self.running.append(process)
        return process

    def has_gatehouse(self):
        return self.gatehouse.exists()

    def another_origin(self):
        port = free_port()
        self.start([self.tools / "bench_origin", port], LOAD_CORE)
        wait_for_port(port)
        return port

    def make_certificate(self):
        """ECDSA P-256, signed by an authority of its own; also as one file, as haproxy wants it."""
        from pki import Authority
        folder = self.subfolder("pki")
        made = Authority(folder).issue("tls", ["bench.test", "127.0.0.1"])
        (folder / "both.pem").write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
        return made

    # --- Contenders ---

    def relay(self, name="relay", like=None):
        """like: a contender whose requests (tokens and all) this relay is sent, to compare the same bytes."""
        port = free_port()
        process = self.start([self.tools / "bench_relay", port, self.origin_port])
        wait_for_port(port)
        if like:
            return Contender(name, process, port, script=like.script, headers=like.headers)
        return Contender(name, process, port)

    def nginx(self, backend="http1"):
        ports, folder = [free_port() for _ in range(3)], self.subfolder("nginx")
        (folder / "nginx.conf").write_text(NGINX.format(
            folder=folder, port=ports[0], tls_port=ports[1], http2_port=ports[2], origin=self.origin_port,
            certificate=self.certificate.certificate, key=self.certificate.key, forward=NGINX_FORWARD[backend]))
        process = self.start(["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        wait_for_port(ports[0])
        return Contender("nginx", process, ports[0], tls_port=ports[1], http2_port=ports[2])

    def haproxy(self, backend="http1"):
        port, tls_port, folder = free_port(), free_port(), self.subfolder("haproxy")
        (folder / "haproxy.cfg").write_text(HAPROXY.format(
            port=port, tls_port=tls_port, origin=self.origin_port, pem=self.folder / "pki/both.pem",
            forward=HAPROXY_FORWARD[backend]))
        process = self.start(["haproxy", "-f", folder / "haproxy.cfg"], stdout=open(folder / "access.log", "ab"),
                             stderr=subprocess.DEVNULL)
        wait_for_port(port)
        return Contender("haproxy", process, port, tls_port=tls_port)

    def subfolder(self, name):
        folder = self.folder / name
        number = 2
        while folder.exists():
            folder = self.folder / f"{name}{number}"
            number += 1
        folder.mkdir()
        return folder

    def gate_folder(self, files):
        folder = self.subfolder("gate")
        for path, text in {"gatehouse.yaml": GATE, **files}.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        return folder

    def run_gate(self, name, folder, environ=None, **options):
        """Starts gatehouse on a folder and waits until it serves."""
        ready = folder.with_name(folder.name + ".ready")
        with open(folder.with_name(folder.name + ".stderr"), "wb") as errors:
            process = self.start([self.gatehouse, "run", folder, "--env", "local", "--ready-file", ready],
                                 stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, **(environ or {})})
        end = time.monotonic() + 60
        while not ready.exists():
            if process.started.poll() is not None or time.monotonic() > end:
                raise RuntimeError("gatehouse does not start: "
                                   + folder.with_name(folder.name + ".stderr").read_text()[-500:])
            time.sleep(0.001)
        told = json.loads(ready.read_text())
        ports = [int(listener["address"].rsplit(":", 1)[1]) for listener in told["listeners"]]
        return Contender(name, process, ports[0], folder=folder, admin=int(told["admin"].rsplit(":", 1)[1]),
                         tls_port=ports[1] if len(ports) > 1 else None, **options)

    def values(self, *names):
        return "".join(f'{name}: ["127.0.0.1:{self.origin_port}"]\n' for name in names)

    def open_gate(self, name="gatehouse", **options):
        folder = self.gate_folder({"services/x.yaml": OPEN_SERVICE, "environments/local.yaml": self.values("x")})
        return self.run_gate(name, folder, **options)

    def tls_gate(self, name="gatehouse", backend="http1", **options):
        """In clear text and over TLS, for all paths."""
        folder = self.gate_folder({
            "gatehouse.yaml": GATE_TLS,
            "services/x.yaml": OPEN_SERVICE.replace("/x", "/") + f'forward: {{ to: "${{x}}", protocol: {backend} }}\n',
            "environments/local.yaml": self.values("x"),
        })
        return self.run_gate(name, folder, **options)

    def key_gate(self, name="gatehouse+key", **options):
        """API key, rules, metrics, JSON log."""
        folder = self.gate_folder({
            "gatehouse.yaml": GATE + "providers: { robots: { api_keys: { file: keys.yaml } } }\n",
            "keys.yaml": "keys: []\n",
            "services/x.yaml": GUARDED_SERVICE % {"provider": "robots"},
            "environments/local.yaml": self.values("x"),
        })
        done = subprocess.run([self.gatehouse, "keys", "new", folder, "--provider", "robots", "--owner", "bench",
                               "--scopes", "read"], capture_output=True, text=True, check=True)
        key = re.search(r"gh_[\w-]+", done.stdout).group()
        return self.run_gate(name, folder, headers=[f"X-Api-Key: {key}"], **options)

    def jwt_gate(self, name="gatehouse+jwt", tokens=100, **options):
        """RS256 tokens, each of `tokens` different ones in turn; rules, metrics, JSON log."""
        from tokens import Issuer
        issuer = Issuer("https://id.bench.example", "bench")
        folder = self.gate_folder({
            "gatehouse.yaml": GATE + "providers:\n  partners:\n    jwt: { issuer: \"https://id.bench.example\", "
                                     "audience: [bench], jwks: { file: jwks.json }, algorithms: [RS256] }\n",
            "jwks.json": json.dumps(issuer.jwks(["RS256"])),
            "services/x.yaml": GUARDED_SERVICE % {"provider": "partners"},
            "environments/local.yaml": self.values("x"),
        })
        expiry = int(time.time()) + 24 * 3600
        made = [issuer.token("RS256", sub=f"caller-{n}", exp=expiry, scope="read", groups=["staff", "bench"])
                for n in range(tokens)]
        script = folder / "rotate.lua"
        script.write_text("local tokens = {" + ",".join(f'"{token}"' for token in made) + "}\n" + ROTATE)
        return self.run_gate(name, folder, script=script, headers=[f"Authorization: Bearer {made[0]}"], **options)

    # --- Load ---

    def wrk(self, contender, seconds=None, connections=CONNECTIONS, scheme="http"):
        """Keep-alive load from the other core: completed requests, failures and latency."""
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}",
                   f"-d{max(1, round(seconds or self.seconds))}s"]
        if contender.script:
            command += ["-s", str(contender.script)]
        else:
            for header in contender.headers:
                command += ["-H", header]
        done = subprocess.run([*command, contender.url(scheme)], capture_output=True, text=True, check=True)
        requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
        errors = re.search(r"Socket errors: (.*)", done.stdout)
        return {"requests": requests, "non_2xx": int(bad.group(1)) if bad else 0,
                "socket_errors": errors.group(1) if errors else "",
                "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))}

    def h2load(self, contender, connections, streams, seconds=None, scheme="https", arguments=()):
        """HTTP/2 load from the other core, so many streams at a time on each connection."""
        command = ["taskset", "-c", LOAD_CORE, "h2load", "-t1", f"-c{connections}", f"-m{streams}",
                   f"-D{max(1, round(seconds or self.seconds))}", *arguments, contender.url(scheme)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        requests = int(re.search(r"requests: .* (\d+) succeeded", done.stdout).group(1))
        failed, errored = map(int, re.search(r"(\d+) failed, (\d+) errored", done.stdout).groups())
        return {"requests": requests, "non_2xx": failed - errored, "socket_errors": f"{errored}" if errored else "",
                "rate": float(re.search(r"([\d.]+) req/s", done.stdout).group(1))}

    def grpc(self, contender, **options):
        """Unary calls; the message is that of five bytes."""
        message = self.folder / "message"
        message.write_bytes(b"\0\0\0\0\5hello")
        return self.h2load(contender, 16, 10, arguments=["-d", message, "-H", "content-type: application/grpc",
                                                         "-H", "te: trailers"], **options)

    def handshakes(self, contender, kind, path=None, seconds=None):
        command = ["taskset", "-c", LOAD_CORE, self.tools / "bench_handshakes", contender.tls_port,
                   seconds or self.seconds, 32, kind, *([path] if path else [])]
        done = json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)
        if kind == "resumed" and done["resumed"] < done["done"]:
            raise RuntimeError(f"{contender.name} resumed {done['resumed']} of {done['done']}")
        return {"requests": done["done"], "non_2xx": 0, "socket_errors": done["failed"] or "",
                "rate": done["done"] / (seconds or self.seconds)}

    def cpu_per_request(self, contender, load=None, **options):
        """Microseconds of the proxy's CPU a request, in one round of a load (wrk's, unless another is given)."""
        self.rotate_logs()
        before = contender.process.cpu_seconds()
        load = (load or self.wrk)(contender, **options)
        spent = contender.process.cpu_seconds() - before
        if load["non_2xx"] or load["socket_errors"]:
            raise RuntimeError(f"{contender.name} failed {load['non_2xx']} of {load['requests']} requests "
                               f"{load['socket_errors']}")
        return {"us": spent * 1e6 / load["requests"], "rate": load["rate"]}

    def rotate_logs(self):
        """Empties every access log. Gigabytes of them would grow the page cache into memory that nobody on this
        machine has touched yet, and that a virtual machine's host has to provide page by page: four times the cost
        of a line, for hours until it is all there."""
        for log in self.folder.glob("*/access.log"):
            os.truncate(log, 0)

    def paced(self, contender, rate, seconds, connections=CONNECTIONS):
        command = ["taskset", "-c", LOAD_CORE, self.tools / "bench_paced", contender.port, int(rate), seconds,
                   connections, contender.path, *contender.headers]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def dribbling(self, port, clients, ramp_seconds=11, what="http"):
        """Slow clients until the end of the block, which begins when they are all there. The ramp is longer than a
        client is given for its head by default, so that those the proxy sends away come back one by one, too."""
        with self.beside([self.tools / "bench_dribble", port, clients, ramp_seconds, what]) as dribbler:
            yield dribbler

    @contextlib.contextmanager
    def flooding(self, contender, kind, connections):
        """On what the load and the origin leave of their core."""
        with self.beside(["chrt", "--idle", "0", self.tools / "bench_flood", contender.http2_port, kind,
                          connections]) as flood:
            yield flood

    @contextlib.contextmanager
    def beside(self, command):
        process = Process(command, LOAD_CORE, stdout=subprocess.PIPE, text=True)
        try:
            if process.started.stdout.readline() != "ready\n":
                raise RuntimeError(f"{command} cannot connect")
            yield process.started
        finally:
            process.stop()

    def get(self, port, path, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(h.split(": ", 1) for h in headers))
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()


ROTATE = """
local next_token = 0
request = function()
  next_token = next_token % #tokens + 1
  return wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. tokens[next_token] })
end
"""


def spread(values, form="{:.1f}"):
    """`median (lowest–highest)`."""
    if not values:
        return "–"
    return (f"{form.format(statistics.median(values))} "
            f"({form.format(min(values))}–{form.format(max(values))})")
