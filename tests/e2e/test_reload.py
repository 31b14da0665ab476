"""Files change while the gate serves: what changed is served at once, what is broken is refused alone with its
place, and nobody's requests or connections notice."""

import json
import threading

import pytest

import wire
from backend import unused_port
from gate import wait_until

SERVICE = """\
match: { path: /%(name)s }
access:
  - { name: %(rule)s, allow: anyone }
"""


def service(name, rule="open"):
    return SERVICE % {"name": name, "rule": rule}


class Loop:
    """A client that keeps asking on connections that must never close, and keeps what went wrong."""

    def __init__(self, gate, target):
        self.gate, self.target = gate, target
        self.answers, self.troubles, self.stopping = 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.answers or self.troubles, "the loop's first answer")
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        assert self.troubles == [] and self.answers > 0

    def run(self):
        try:
            with self.gate.client() as client:
                while not self.stopping.is_set():
                    answer = client.get(self.target)
                    if answer.status != 200:
                        self.troubles.append(answer)
                    self.answers += 1
        except (OSError, wire.Closed) as trouble:
            self.troubles.append(trouble)


@pytest.fixture
def two(make_gate, backend):
    return make_gate({"services/a.yaml": service("a"), "services/b.yaml": service("b")}, [backend],
                     local={name: f'["{backend.address}"]' for name in ("a", "b", "c", "d")})


def rule_of(gate, target):
    return gate.record(gate.get(target))["rule_name"]


@pytest.mark.parametrize("how", ["write", "overwrite"])
def test_rule_change_is_served(two, how):
    with Loop(two, "/b"):
        change = getattr(two, how)
        for number in range(10):
            change("services/a.yaml", service("a", f"rule {number}"))
            wait_until(lambda: rule_of(two, "/a") == f"rule {number}", "the new rule")
        change("services/a.yaml", "match: { path: /a }\naccess: [{ deny: anyone }]\n")
        wait_until(lambda: two.get("/a").status == 403, "the denial")


def test_generation_counts_and_is_recorded(two):
    first = two.generation()
    answer = two.get("/a")
    assert two.record(answer)["generation"] == first
    two.write("services/a.yaml", service("a", "next"))
    wait_until(lambda: two.generation() > first, "the next generation")
    wait_until(lambda: rule_of(two, "/a") == "next", "the new rule")
    assert two.record(two.get("/a"))["generation"] == two.generation()
    assert two.metric("gatehouse_config_generation") == two.generation()
    assert two.metric("gatehouse_config_last_reload_successful") == 1


def diagnostics_of(gate, file):
    """Everything /api/v1/status says about a file, wherever in the answer it stands."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if value.get("file") == file:
                found.append(value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(gate.api("status"))
    return found


def test_broken_service_keeps_its_last_good_version(two, backend):
    with Loop(two, "/a"), Loop(two, "/b"):
        two.write("services/a.yaml", "match: { path: /a }\naccess:\n  - { nam: typo, allow: anyone }\n")
        problem = wait_until(lambda: diagnostics_of(two, "services/a.yaml"), "the diagnostic")[0]
        assert problem["line"] == 3 and problem["column"] == 7
        assert "name" in json.dumps(problem)  # the nearest known key
        assert diagnostics_of(two, "services/b.yaml") == []
        assert rule_of(two, "/a") == "open"
        # Others still change meanwhile.
        two.write("services/b.yaml", service("b", "changed"))
        wait_until(lambda: rule_of(two, "/b") == "changed", "b's change")
        # Metrics say so, and the repaired file is taken.
        assert two.metric("gatehouse_config_last_reload_successful") == 0
        two.write("services/a.yaml", service("a", "repaired"))
        wait_until(lambda: rule_of(two, "/a") == "repaired", "the repair")
        wait_until(lambda: diagnostics_of(two, "services/a.yaml") == [], "the diagnostic to go")
        assert two.metric("gatehouse_config_last_reload_successful") == 1


@pytest.mark.parametrize("broken", [
    "match: [", "access: nonsense\n", "\t", "match: { path: /a }\nmatch: { path: /b }\n", "a: &x 1\nb: *x\n",
    "match: { path: relative }\naccess: []\n", "forward: { to: \"${unknown}\" }\nmatch: { path: /a }\n", "\x00",
    "- a list\n", "match: { path: /a }\naccess: [{ allow: { provider: nobody } }]\n",
])
def test_every_kind_of_breakage_leaves_the_rest(two, broken):
    two.write("services/a.yaml", broken)
    assert wait_until(lambda: diagnostics_of(two, "services/a.yaml"), "the diagnostic")
    assert two.get("/a").status == 200 and two.get("/b").status == 200


def test_services_come_and_go(two):
    with Loop(two, "/a"):
        assert two.get("/c").reason == "no_route"
        two.write("services/c.yaml", service("c"))
        wait_until(lambda: two.get("/c").status == 200, "the new service")
        two.remove("services/c.yaml")
        wait_until(lambda: two.get("/c").status == 404, "the service to go")
        two.remove("services/b.yaml")
        wait_until(lambda: two.get("/b").status == 404, "the service to go")


def test_service_that_was_never_good_answers_503_or_nothing(two):
    two.write("services/c.yaml", "match: { path: /c }\naccess: nonsense\n")
    wait_until(lambda: diagnostics_of(two, "services/c.yaml"), "the diagnostic")
    assert two.get("/c").reason in ("service_unavailable", "no_route")
    assert two.get("/a").status == 200


def test_conflict_on_reload_refuses_the_newcomer(two):
    two.write("services/c.yaml", "match: { path: /a }\naccess: [{ name: thief, allow: anyone }]\n")
    problem = wait_until(lambda: diagnostics_of(two, "services/c.yaml"), "the conflict")[0]
    assert "services/a.yaml:1" in json.dumps(problem)
    assert rule_of(two, "/a") == "open"
    two.remove("services/a.yaml")
    wait_until(lambda: two.get("/a").status == 200 and rule_of(two, "/a") == "thief", "the place to be free")


def test_conflict_at_start_refuses_both(make_gate, backend):
    gate = make_gate({"services/a.yaml": service("same"), "services/b.yaml": service("same"),
                      "services/c.yaml": service("c")}, [backend],
                     local={name: f'["{backend.address}"]' for name in "abc"})
    assert gate.get("/same").status in (404, 503)
    assert gate.get("/c").status == 200
    assert diagnostics_of(gate, "services/a.yaml") and diagnostics_of(gate, "services/b.yaml")


def test_environment_change_moves_the_backend(make_gate, make_backend):
    old, new = make_backend(name="old"), make_backend(name="new")
    gate = make_gate({"services/a.yaml": service("a")}, [old, new], local={"a": f'["{old.address}"]'})
    with Loop(gate, "/a"):
        gate.write("environments/local.yaml", f'a: ["{new.address}"]\n')
        wait_until(lambda: gate.get("/a").json()["backend"] == "new", "the new backend")


def test_request_in_flight_finishes_on_its_generation(make_gate, make_backend):
    release = threading.Event()

    def script(call):
        if call.request.target == "/a/slow":
            release.wait(30)
        call.describe()

    backend = make_backend(script)
    gate = make_gate({"services/a.yaml": service("a")}, [backend], local={"a": f'["{backend.address}"]'})
    before = gate.generation()
    with gate.client() as client:
        client.send(wire.head("GET", "/a/slow"))
        wait_until(lambda: backend.requests, "the request at the backend")
        gate.write("services/a.yaml", "match: { path: /a }\naccess: [{ deny: anyone }]\n")
        wait_until(lambda: gate.get("/a").status == 403, "the denial")
        release.set()
        answer = client.read_response()
        assert answer.status == 200
        assert gate.record(answer)["generation"] == before
        # The same connection, now on the new generation.
        assert client.get("/a").status == 403


def test_gate_file_and_listeners_change(two):
    text = (two.folder / "gatehouse.yaml").read_text()
    with Loop(two, "/a"):
        more = unused_port()
        two.write("gatehouse.yaml", text.replace("admin:", f'  - address: "127.0.0.1:{more}"\nadmin:'))
        wait_until(lambda: len(two.ready()["listeners"]) == 2, "the second listener")
        for port in (two.port_of(0), more):
            assert wire.fetch(port, target="/a").status == 200
        two.write("gatehouse.yaml", text)
        wait_until(lambda: len(two.ready()["listeners"]) == 1, "the listener to go")


def test_gate_wide_denial_comes_by_reload(two):
    text = (two.folder / "gatehouse.yaml").read_text()
    with Loop(two, "/b"):
        two.write("gatehouse.yaml", text + 'access:\n  - { name: closed, deny: anyone, on: "* /a" }\n')
        wait_until(lambda: two.get("/a").status == 403, "the denial")
        two.write("gatehouse.yaml", "listen: nonsense\n")
        assert wait_until(lambda: diagnostics_of(two, "gatehouse.yaml"), "the diagnostic")
        assert two.get("/a").status == 403  # the last good version
        two.write("gatehouse.yaml", text)
        wait_until(lambda: two.get("/a").status == 200, "the repair")


def test_sighup_reloads(two):
    import signal
    first = two.generation()
    two.process.send_signal(signal.SIGHUP)
    two.write("services/a.yaml", service("a", "after"))
    wait_until(lambda: rule_of(two, "/a") == "after" and two.generation() > first, "the reload")


def test_sigterm_drains(make_gate, make_backend):
    import signal
    arrived = threading.Event()

    def script(call):
        arrived.set()
        call.wait(0.7)
        call.respond(200, [], b"finished")

    backend = make_backend(script)
    gate = make_gate({"services/a.yaml": service("a")}, [backend], local={"a": f'["{backend.address}"]'})
    with gate.client() as client, gate.client() as idle:
        idle.get("/a")
        arrived.clear()
        client.send(wire.head("GET", "/a"))
        assert arrived.wait(20)
        gate.process.send_signal(signal.SIGTERM)
        answer = client.read_response()
        assert answer.body == b"finished"
        assert client.is_closed() and idle.is_closed()
    assert gate.process.wait(30) == 0
    assert len(gate.records()) == 2


def test_access_log_survives_rename(two):
    two.get("/a")
    wait_until(lambda: len(two.records()) == 1, "the first record")
    (two.folder / "access.log").rename(two.folder / "access.log.1")
    wait_until(lambda: two.get("/a").status == 200 and (two.folder / "access.log").exists()
               and (two.folder / "access.log").stat().st_size > 0, "the new log")


def test_new_backends_replace_the_old_before_their_name_is_known(make_gate, backend):
    gate = make_gate({"services/a.yaml": service("a")}, [backend], local={"a": f'["{backend.address}"]'})
    assert gate.get("/a").status == 200
    gate.write("services/a.yaml", service("a", "other") + "forward: { to: nobody.invalid:9001, connect_timeout: 1s }\n")
    wait_until(lambda: rule_of(gate, "/a") == "other", "the new definition")
    assert gate.get("/a").status in (502, 504)
    assert gate.last_record()["reason"] in ("dns_error", "dns_timeout")
