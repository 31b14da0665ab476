"""Runs the real binary on a gate folder: starts it on free ports, changes its files while it serves, reads its
records and metrics, and at the end balances the books (one record per accepted exchange, no request at a
backend without a recorded allow)."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GATEHOUSE_BIN", ROOT / "build/release/gatehouse")).absolute()
IS_SANITIZED = "asan" in str(BINARY) or "tsan" in str(BINARY)
PATIENCE = 60 if IS_SANITIZED else 20  # seconds a wait may take before it counts as never


def wait_until(condition, what="it", timeout=PATIENCE):
    """Polls until condition() is true and returns its value. Only a wait; no test asserts how long it took."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.005)


def run_command(*arguments, environ=None, stdin=None, timeout=PATIENCE):
    """`gatehouse ARGUMENTS...` to its end."""
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environ or {})}, input=stdin)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2), (arguments, done)
    return done


def write_files(folder, files):
    for path, text in files.items():
        target = pathlib.Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text if isinstance(text, str) else json.dumps(text))


class Gate:
    def __init__(self, folder, backends=(), environ=None, arguments=(), env="local"):
        self.folder = pathlib.Path(folder)
        self.backends = list(backends)  # the Backends this gate alone calls; their books are checked
        self.environ, self.arguments, self.env = environ or {}, list(arguments), env
        self.ready_file = self.folder.parent / (self.folder.name + ".ready")
        self.stdout = self.folder.parent / (self.folder.name + ".stdout")
        self.stderr = self.folder.parent / (self.folder.name + ".stderr")
        self.process = None

    # --- Running ---

    def start(self):
        self.ready_file.unlink(missing_ok=True)
        command = [str(BINARY), "run", str(self.folder), "--env", self.env,
                   "--ready-file", str(self.ready_file), *self.arguments]
        with open(self.stdout, "ab") as out, open(self.stderr, "ab") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **self.environ})
        wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, "the ready file")
        assert self.ready_file.exists(), f"gatehouse ended with {self.process.poll()}:\n{self.errors()}"
        return self

    def ready(self):
        return json.loads(self.ready_file.read_text())

    def port_of(self, index=0):
        return int(self.ready()["listeners"][index]["address"].rsplit(":", 1)[1])

    @property
    def port(self):
        return self.port_of(0)

    @property
    def admin_port(self):
        return int(self.ready()["admin"].rsplit(":", 1)[1])

    def errors(self):
        return self.stderr.read_text(errors="replace")

    def stop(self):
        """SIGTERM, then what must hold of every run."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"SIGTERM did not end the gate:\n{self.errors()}") from None
        assert "Sanitizer" not in self.errors() and "runtime error" not in self.errors(), self.errors()
        assert code == 0, f"the gate ended with {code}:\n{self.errors()}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def memory_kib(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", status, re.MULTILINE).group(1))

    # --- Talking to it ---

    def client(self, **options):
        return wire.Client(self.port, **options)

    def fetch(self, method="GET", target="/", headers=(), body=None, **options):
        return wire.fetch(self.port, method, target, headers, body, **options)

    def get(self, target="/", headers=(), **options):
        return self.fetch("GET", target, headers, **options)

    def admin(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def api(self, path):
        status, body = self.admin("/api/v1/" + path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def generation(self):
        return self.api("status")["generation"]

    def metrics(self):
        status, text = self.admin("/metrics")
        assert status == 200
        return parse_metrics(text)

    def metric(self, name, **labels):
        """The sum over the series of that name which have these labels."""
        return sum(value for (series, have), value in self.metrics().items()
                   if series == name and labels.items() <= dict(have).items())

    # --- Changing its files ---

    def write(self, path, text):
        """As editors do that write aside and rename."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name("." + target.name + ".swp")
        aside.write_text(text if isinstance(text, str) else json.dumps(text))
        aside.rename(target)

    def overwrite(self, path, text):
        """As editors do that write in place."""
        (self.folder / path).write_text(text)

    def remove(self, path):
        (self.folder / path).unlink()

    # --- Its records ---

    def records(self):
        """All records so far, from access.log and what it was renamed to, or from standard output."""
        logs = sorted(self.folder.glob("access.log*")) or [self.stdout]
        lines = [line for log in logs for line in log.read_text().split("\n")[:-1]]
        return [json.loads(line) for line in lines]

    def record(self, response_or_id):
        """The one record of an answer, as soon as it is written."""
        wanted = response_or_id if isinstance(response_or_id, str) else response_or_id.header("x-request-id")
        assert wanted, "the answer carries no X-Request-Id"
        found = wait_until(lambda: [r for r in self.records() if r["id"] == wanted], f"the record of {wanted}")
        assert len(found) == 1, found
        return found[0]

    def last_record(self):
        self.balance()
        return self.records()[-1]

    # --- The books ---

    def balance(self):
        """Every accepted exchange has exactly one record; every request at a backend has an allow."""
        def counts():
            metrics = self.metrics()
            accepted = sum(v for (n, _), v in metrics.items() if n == "gatehouse_exchanges_accepted_total")
            recorded = sum(v for (n, _), v in metrics.items() if n == "gatehouse_exchanges_recorded_total")
            # Under more load than the disk takes, lines are dropped and counted, never waited for.
            dropped = sum(v for (n, _), v in metrics.items() if n == "gatehouse_log_lines_dropped_total")
            return int(accepted), int(recorded), len(self.records()) + int(dropped)

        try:
            wait_until(lambda: len(set(counts())) == 1, "the books to balance")
        except AssertionError:
            raise AssertionError("accepted, recorded, log lines: %d, %d, %d" % counts()) from None
        records = {}
        for record in self.records():
            assert record["id"] not in records, f"two records of {record['id']}"
            records[record["id"]] = record
        for backend in self.backends:
            assert not backend.unparsed, backend.unparsed
            for request in backend.requests:
                identifier = request.header("x-request-id")
                assert identifier in records, f"no record of {request}"
                assert records[identifier]["verdict"] == "allow", records[identifier]


def parse_metrics(text):
    """Prometheus text format to {(name, ((label, value), ...)): number}; strict about its grammar."""
    series = {}
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-zA-Z_:][\w:]*)(?:\{(.*?)\})? (\S+)(?: \d+)?(?: # .*)?', line)
        assert match, f"not a metric line: {line!r}"
        labels = re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', match.group(2) or "")
        key = (match.group(1), tuple(sorted(labels)))
        assert key not in series, f"stands twice: {line}"
        series[key] = float(match.group(3))
    return series
