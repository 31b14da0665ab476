"""TLS of a gate that changes while it serves: certificates swapped in every way that tools do it, listeners that
begin and end to speak TLS, and settings that are refused. Nothing falls back to clear text."""

import os

import pytest

import wire
from gate import run_command, wait_until
from tls_wire import OPEN, Handshake, in_folder, listen, say_in_clear

SINGLE = ("certificate: certs/a.pem", "key: certs/a.key")
# One worker: the next connection is served under the generation that the last one was.
CLEAR = """\
listen:
  - address: "127.0.0.1:0"
admin: { address: "127.0.0.1:0" }
workers: 1
log: { access: { file: access.log } }
"""


@pytest.fixture
def gate_of(make_gate, backend):
    def make(text, certificates, **options):
        return make_gate({"gatehouse.yaml": text, "services/s.yaml": OPEN, **in_folder(**certificates)}, [backend],
                         local={"s": f'"{backend.address}"'}, **options)
    return make


@pytest.fixture
def ca(authority):
    return str(authority.certificate)


def served(port):
    with Handshake(port) as made:
        return made.certificate


def successful(gate):
    return gate.metric("gatehouse_config_last_reload_successful") == 1


# --- Certificates swapped --------------------------------------------------------------------------------------


def overwrite(gate, fresh):
    gate.overwrite("certs/a.key", fresh.key.read_text())
    gate.overwrite("certs/a.pem", fresh.certificate.read_text())


def rename(gate, fresh):
    gate.write("certs/a.pem", fresh.certificate.read_text())
    gate.write("certs/a.key", fresh.key.read_text())


def remove_and_make(gate, fresh):
    gate.remove("certs/a.pem")
    gate.remove("certs/a.key")
    gate.overwrite("certs/a.pem", fresh.certificate.read_text())
    gate.overwrite("certs/a.key", fresh.key.read_text())


def swing_links(gate, fresh):
    for ending, made in [("pem", fresh.certificate), ("key", fresh.key)]:
        link = gate.folder / f"certs/.a.{ending}"
        link.symlink_to(made)
        link.rename(gate.folder / f"certs/a.{ending}")


@pytest.mark.parametrize("swap", [overwrite, rename, remove_and_make, swing_links])
def test_swap_reaches_the_next_handshake(gate_of, authority, server_certificate, ca, swap):
    gate = gate_of(listen(*SINGLE), {"a": server_certificate})
    with Handshake(gate.port, ca=ca) as open_before:
        assert open_before.get().status == 200
        for n in range(3):
            fresh = authority.issue(f"fresh{n}", ["gate.test"])
            swap(gate, fresh)
            wait_until(lambda: served(gate.port) == fresh.der(), f"certificate {n}")
            assert open_before.get().status == 200
    wait_until(lambda: successful(gate), "the last reload")


def test_swap_of_a_mounted_volume(gate_of, authority, server_certificate):
    """As orchestrators mount secrets: files are links into ..data, which is renamed over."""
    gate = gate_of(listen(*SINGLE), {"a": server_certificate}, start=False)
    certs = gate.folder / "certs"

    def put(version, signed):
        (certs / version).mkdir()
        (certs / version / "a.pem").write_text(signed.certificate.read_text())
        (certs / version / "a.key").write_text(signed.key.read_text())
        (certs / "..next").symlink_to(version)
        os.rename(certs / "..next", certs / "..data")

    for ending in ["pem", "key"]:
        (certs / f"a.{ending}").unlink()
        (certs / f"a.{ending}").symlink_to(f"..data/a.{ending}")
    put("..1", server_certificate)
    gate.start()
    assert served(gate.port) == server_certificate.der()
    fresh = authority.issue("fresh", ["gate.test"])
    put("..2", fresh)
    wait_until(lambda: served(gate.port) == fresh.der(), "the new one")
    assert "belong" not in gate.errors()  # never half of one and half of the other


# --- Refused ---------------------------------------------------------------------------------------------------


def test_refused_at_the_start(gate_of, authority, server_certificate):
    other = authority.issue("other", ["gate.test"])
    gate = gate_of(listen(*SINGLE), {"a": server_certificate}, start=False)
    gate.overwrite("certs/a.key", other.key.read_text())
    for command in ["run", "check"]:
        done = run_command(command, gate.folder)
        assert done.returncode == (2 if command == "run" else 1)
        assert "gatehouse.yaml:4:20: error: listen[0].tls: certs/a.pem: " in done.stderr, done.stderr


def test_check_looks_at_every_environment(gate_of, authority, server_certificate):
    gate = gate_of(listen('certificate: "${cert}"', 'key: "${key}"'), {"a": server_certificate}, start=False)
    gate.write("environments/local.yaml", "s: 127.0.0.1:1\ncert: { file: certs/a.pem }\nkey: { file: certs/a.key }\n")
    for name, expected in [("certs/a.pem", 0), ("services/s.yaml", 1), ("/nowhere/on/this/machine.pem", 0)]:
        gate.write("environments/production.yaml",
                   f"s: 127.0.0.1:1\ncert: {{ file: {name} }}\nkey: {{ file: certs/a.key }}\n")
        done = run_command("check", gate.folder)
        assert done.returncode == expected, (name, done.stderr)


def test_new_listener_with_a_bad_certificate_is_not_opened(gate_of, authority, server_certificate, backend):
    gate = gate_of(CLEAR, {"a": server_certificate})
    good = gate.folder / "certs/a.key"
    key = good.read_text()
    gate.overwrite("certs/a.key", authority.issue("other", ["gate.test"]).key.read_text())
    both = CLEAR.replace("admin:", '  - address: "127.0.0.2:0"\n    tls: { certificate: certs/a.pem, key: certs/a.key }\n'
                         "admin:")
    gate.write("gatehouse.yaml", both)
    wait_until(lambda: not successful(gate), "the refusal")
    assert len(gate.ready()["listeners"]) == 1
    assert gate.get().status == 200
    # Something else may change meanwhile, and the refusal stays told.
    gate.write("services/s.yaml", OPEN + "# another\n")
    wait_until(lambda: gate.generation() >= 3, "the change")
    assert not successful(gate) and len(gate.ready()["listeners"]) == 1
    gate.write("certs/a.key", key)
    wait_until(lambda: len(gate.ready()["listeners"]) == 2, "the listener")
    assert gate.ready()["listeners"][1]["configured"] == "127.0.0.2:0"
    assert successful(gate)


def test_backend_with_a_bad_bundle_refuses_its_service_alone(gate_of, server_certificate, backend):
    gate = gate_of(listen(*SINGLE), {"a": server_certificate})
    gate.write("certs/ca.pem", "no certificate\n")
    gate.write("services/other.yaml", "match: { path: /other }\naccess: [{ allow: anyone }]\n"
               'forward: { to: "https://127.0.0.1:1", tls: { ca: certs/ca.pem } }\n')
    wait_until(lambda: not successful(gate), "the refusal")
    assert "services/other.yaml:3:" in gate.errors() and "certs/ca.pem: " in gate.errors()
    with Handshake(gate.port) as made:
        assert made.get().status == 200


# --- Begin and end ---------------------------------------------------------------------------------------------


def test_listener_begins_and_ends_to_speak_tls(gate_of, server_certificate, ca):
    """Its socket and port stay, and so do connections that are open."""
    gate = gate_of(CLEAR, {"a": server_certificate})
    port = gate.port
    with wire.Client(port) as clear:
        assert clear.get("/").status == 200
        gate.write("gatehouse.yaml", listen(*SINGLE).replace("workers: 2", "workers: 1"))
        wait_until(lambda: say_in_clear(port, wire.head("GET", "/")).startswith(b"HTTP/1.1 400 "), "TLS")
        assert gate.port == port
        assert clear.get("/").status == 200
        with Handshake(port, ca=ca) as secure:
            assert secure.get().status == 200
            gate.write("gatehouse.yaml", CLEAR)
            wait_until(lambda: say_in_clear(port, wire.head("GET", "/", {"Connection": "close"}))
                       .startswith(b"HTTP/1.1 200 "), "clear text")
            assert secure.get().status == 200 and clear.get("/").status == 200


def test_redirect_while_its_target_is_refused(gate_of, authority, server_certificate, backend):
    gate = gate_of(CLEAR, {"a": authority.issue("other", ["gate.test"])})
    gate.overwrite("certs/a.key", server_certificate.key.read_text())
    gate.write("gatehouse.yaml", CLEAR.replace(
        "admin:", '  - address: "127.0.0.2:8443"\n    tls: { certificate: certs/a.pem, key: certs/a.key }\nadmin:')
        .replace('"127.0.0.1:0"\n', '"127.0.0.1:0"\n    redirect: https\n', 1))
    answers = []  # workers take a generation one after the other: the answer that was waited for is the one to look at
    wait_until(lambda: answers.append(gate.get("/x")) or answers[-1].status == 308, "the redirect")
    assert answers[-1].header("location") == "https://gate.test:8443/x"
    assert not successful(gate) and len(gate.ready()["listeners"]) == 1
