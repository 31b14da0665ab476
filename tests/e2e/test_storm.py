"""Everything at once, for a few seconds: load while files change, and slow clients beside quick ones. The long
versions are measures of ./dev bench."""

import random
import re
import shutil
import subprocess
import threading
import time

import pytest

import wire
from gate import IS_SANITIZED, run_command, wait_until
from tokens import Issuer

SECONDS = 6
SLOW_CLIENTS = 100 if IS_SANITIZED else 500

SERVICE = "match: {{ path: /{name} }}\naccess: [{{ name: {rule}, allow: anyone }}]\n"
BROKEN = ["match: [", "access: nonsense\n", "match: { path: /a }\naccess: [{ alow: anyone }]\n", ""]


@pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")
def test_load_while_everything_changes(make_gate, make_backend):
    backends = [make_backend(lambda call: call.respond(200, [], b"ok"), name=str(n)) for n in range(2)]
    values = {"a": f'["{backends[0].address}"]', "b": f'["{backends[0].address}"]', "x": f'["{backends[0].address}"]'}
    gate = make_gate({f"services/{n}.yaml": SERVICE.format(name=n, rule="first") for n in "ab"}, backends,
                     local=values)
    gate_text = (gate.folder / "gatehouse.yaml").read_text()
    wrk = subprocess.Popen(["wrk", "-t1", "-c16", f"-d{SECONDS}s", f"http://127.0.0.1:{gate.port}/a/storm"],
                           stdout=subprocess.PIPE, text=True)
    number = 0
    while wrk.poll() is None:
        number += 1
        step = number % 8
        if step == 0:
            gate.write("services/a.yaml", SERVICE.format(name="a", rule=f"rule-{number}"))
        elif step == 1:
            gate.write("services/a.yaml", BROKEN[number // 8 % len(BROKEN)])
        elif step == 2:
            gate.overwrite("services/b.yaml", SERVICE.format(name="b", rule=f"rule-{number}"))
        elif step == 3:
            gate.write("services/x.yaml", SERVICE.format(name="x", rule="x"))
        elif step == 4:
            gate.write("environments/local.yaml", "".join(
                f'{name}: ["{backends[number // 8 % 2].address}"]\n' for name in values))
        elif step == 5:
            gate.remove("services/x.yaml")
        elif step == 6:
            gate.write("gatehouse.yaml", gate_text + f"# {number}\n")
        else:
            gate.write("gatehouse.yaml", "listen: [")
        time.sleep(0.2)
    report = wrk.communicate()[0]
    assert "Non-2xx" not in report and "Socket errors" not in report, report
    assert int(re.search(r"(\d+) requests in", report).group(1)) > 100, report
    # The dust settles on the last good versions.
    gate.write("gatehouse.yaml", gate_text)
    gate.write("services/a.yaml", SERVICE.format(name="a", rule="settled"))
    wait_until(lambda: gate.record(gate.get("/a"))["rule_name"] == "settled", "the last change")


CREDENTIALS = """\
providers:
  robots:
    api_keys: { file: keys.yaml }
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: { file: jwks.json }, algorithms: [%s] }
"""


def test_callers_while_keys_listeners_and_logs_change(make_gate, make_backend):
    """What several threads share besides the services: keys, key sets, listeners, the log, the counters."""
    backend = make_backend()
    issuer, algorithms = Issuer(), ["RS256", "ES256"]
    files = {"services/a.yaml": "match: { path: / }\naccess: [{ allow: authenticated }]\n",
             "keys.yaml": "keys: []\n", "jwks.json": issuer.jwks(algorithms)}
    gate = make_gate(files, [backend], gate=CREDENTIALS % ", ".join(algorithms),
                     local={"a": f'["{backend.address}"]'})
    made = run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", "storm", "--json").stdout
    key = re.search(r"gh_[\w-]+", made).group()
    wait_until(lambda: gate.get("/", {"X-Api-Key": key}).status == 200, "the key")
    gate_text = (gate.folder / "gatehouse.yaml").read_text()
    stopping, troubles = threading.Event(), []

    def call(make_headers):
        try:
            with gate.client() as client:
                while not stopping.is_set():
                    answer = client.get("/x", make_headers())
                    assert answer.status == 200, answer
        except (OSError, AssertionError, wire.Closed) as trouble:
            troubles.append(trouble)

    callers = [threading.Thread(target=call, args=[headers]) for headers in (
        lambda: {"X-Api-Key": key}, lambda: issuer.bearer("RS256"), lambda: issuer.bearer("ES256")) * 2]
    for caller in callers:
        caller.start()
    end = time.monotonic() + SECONDS / 2
    number = 0
    while time.monotonic() < end:
        number += 1
        if number % 4 == 0:
            run_command("keys", "new", gate.folder, "--provider", "robots", "--owner", f"n{number}")
        elif number % 4 == 1:
            gate.write("jwks.json", issuer.jwks(algorithms + ["PS256", "EdDSA"][:number % 3]))
        elif number % 4 == 2:
            more = '  - address: "127.0.0.1:0"\nadmin' if number % 8 == 2 else "admin"
            gate.write("gatehouse.yaml", gate_text.replace("admin", more, 1))
        else:
            (gate.folder / "access.log").rename(gate.folder / f"access.log.{number}")
            wait_until((gate.folder / "access.log").exists, "the new log")
        gate.metrics()
        gate.api("status")
        gate.api("services")
    stopping.set()
    for caller in callers:
        caller.join()
    assert troubles == []


def test_slow_clients_do_not_disturb_quick_ones(open_gate):
    request = wire.head("GET", "/slow", {"X-Padding": "x" * 200})
    open_gate.get("/")
    before = open_gate.memory_kib()
    slow = [open_gate.client() for _ in range(SLOW_CLIENTS)]
    stopping = threading.Event()

    def dribble():
        for position in range(len(request) - 1):
            for client in slow:
                try:
                    client.send(request[position:position + 1])
                except OSError:
                    pass  # timed out by the gate, as it may
            if stopping.wait(0.2):
                return

    dribbler = threading.Thread(target=dribble)
    dribbler.start()
    try:
        with open_gate.client() as client:
            end = time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                assert client.get("/quick").status == 200
        if not IS_SANITIZED:
            assert open_gate.memory_kib() - before < SLOW_CLIENTS * 16
    finally:
        stopping.set()
        dribbler.join()
        for client in slow:
            client.close()
    assert open_gate.get("/after").status == 200


def test_many_clients_come_and_go(open_gate):
    """Connections that end at any moment leave nothing behind."""
    chance = random.Random(5)
    request = wire.head("POST", "/x", [("Content-Length", 50)]) + b"x" * 50
    for _ in range(100 if IS_SANITIZED else 400):
        client = open_gate.client()
        client.send(request[:chance.randrange(len(request) + 1)])
        client.reset() if chance.random() < 0.5 else client.close()
    assert open_gate.get("/after").status == 200
    wait_until(lambda: open_gate.metric("gatehouse_connections_open") <= 1, "connections to be gone")
