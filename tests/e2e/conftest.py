"""Fixtures of the end-to-end tests. Every gate a test starts is stopped at its end, and then the books must
balance, it must have exited 0 on SIGTERM, and no sanitizer may have spoken."""

import contextlib
import pathlib
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from backend import Backend  # noqa: E402
from browser import browser, one_browser  # noqa: E402, F401
from fronts import make_front  # noqa: E402, F401
from logins import (any_provider, make_rogue, make_shared_site, make_site, provider,  # noqa: E402, F401
                    provider_process, rogue, second_provider, site_certificate, site_tls)
from gate import BINARY, Gate, write_files  # noqa: E402
from pki import Authority  # noqa: E402

# A gate's own file with free ports and its records in a file; tests add to it.
GATE_FILE = """\
listen:
  - address: "127.0.0.1:0"
admin: { address: "127.0.0.1:0" }
workers: 2
log: { access: { file: access.log } }
"""

OPEN_SERVICE = """\
match: { path: / }
access:
  - { name: open, allow: anyone }
"""


def pytest_sessionstart(session):
    if not BINARY.exists() and not session.config.option.collectonly:
        pytest.exit(f"{BINARY} does not exist: ./dev build makes it", returncode=2)


@contextlib.contextmanager
def backend_maker():
    started = []

    def make(script=None, **options):
        started.append(Backend(script, **options))
        return started[-1]

    yield make
    for backend in started:
        backend.stop()


@contextlib.contextmanager
def gate_maker(parent):
    started = []

    def make(files=None, backends=(), gate="", local=None, balance=True, start=True, **options):
        folder = parent / f"gate{len(started) or ''}"
        folder.mkdir()
        files = dict(files or {})
        files.setdefault("gatehouse.yaml", GATE_FILE + gate)
        if local is not None:
            files["environments/local.yaml"] = "".join(f"{k}: {v}\n" for k, v in local.items())
        write_files(folder, files)
        made = Gate(folder, backends, **options)
        started.append((made, balance))
        return made.start() if start else made

    yield make
    troubles = []
    for made, balance in started:
        try:
            if made.process and made.process.poll() is None and balance:
                made.balance()
            if made.process:
                made.stop()
        except AssertionError as trouble:
            troubles.append(str(trouble))
        finally:
            made.kill()
    assert not troubles, "\n".join(troubles)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """An authority whose certificates tests believe."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def server_certificate(authority):
    return authority.issue("server", ["gate.test", "localhost", "127.0.0.1"])


@pytest.fixture(scope="session")
def closed_port():
    """A port that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def make_backend():
    """make_backend(script, name=...) starts a Backend that ends with the test."""
    with backend_maker() as make:
        yield make


@pytest.fixture
def backend(make_backend):
    return make_backend()


@pytest.fixture
def make_gate(tmp_path, make_backend):
    """make_gate({path: text}, backends=[...]) writes a folder and starts a gate on it.

    gatehouse.yaml is GATE_FILE unless given; text in `gate` is added to it. Environment values of `local` may be
    given as a dict. balance=False is for tests whose gate writes no records."""
    with gate_maker(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared(tmp_path_factory):
    """(make_gate, make_backend) whose gates and backends a whole module shares, for tables of many small cases."""
    with backend_maker() as make_backend, gate_maker(tmp_path_factory.mktemp("shared")) as make_gate:
        yield make_gate, make_backend


@pytest.fixture
def open_gate(make_gate, backend):
    """The plainest gate: service `hello` at /, open to anyone, before `backend`."""
    return make_gate({"services/hello.yaml": OPEN_SERVICE}, [backend], local={"hello": f'["{backend.address}"]'})


@pytest.fixture(scope="module")
def shared_gate(make_shared):
    """open_gate for a whole module; its backend is shared_gate.backends[0]."""
    make_gate, make_backend = make_shared
    backend = make_backend()
    return make_gate({"services/hello.yaml": OPEN_SERVICE}, [backend], local={"hello": f'["{backend.address}"]'})
