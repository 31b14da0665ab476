"""What a protocol test talks to: a gate in clear text and over TLS before one backend; or, with
E2E_STANDIN=nginx or haproxy, one of these in its place, or the backend itself ("direct", in clear text): which
tells a wrong test from a wrong gate. Such a peer has no rules and writes no records, so tests look at those only
where front.gate is there."""

import os
import subprocess

import pytest

from backend import unused_port
from gate import wait_until
from h2wire import client_tls
import wire

STANDIN = os.environ.get("E2E_STANDIN")

SERVICE = """\
match: { path: / }
%saccess:
  - { name: open, allow: anyone }
"""

LISTENERS = """\
listen:
  - address: "127.0.0.1:0"
%sadmin: { address: "127.0.0.1:0" }
workers: 2
log: { access: { file: access.log } }
"""

TLS_LISTENER = """\
  - address: "127.0.0.1:0"
    tls: { certificate: "%s", key: "%s" }
"""

NGINX = """\
daemon off; pid %(folder)s/pid; error_log %(folder)s/error.log warn; worker_processes 2;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0;
  %(temp)s
  map $http_upgrade $connection_wanted { default upgrade; "" ""; }
  server {
    listen 127.0.0.1:%(h1)d; listen 127.0.0.1:%(h2)d http2; listen 127.0.0.1:%(tls)d ssl http2;
    ssl_certificate %(certificate)s; ssl_certificate_key %(key)s;
    location / { %(forward)s }
  }
}
"""
NGINX_HTTP1 = """proxy_pass http://%s; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
  proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_wanted;"""
NGINX_TEMP = " ".join(f"{kind}_temp_path %(folder)s/{kind};"
                      for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

HAPROXY = """\
global
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:%(h1)d
  bind 127.0.0.1:%(tls)d ssl crt %(folder)s/both.pem alpn h2,http/1.1
  default_backend back
backend back
  server one %(address)s %(protocol)s
"""


class Front:
    """h1_port and h2_port are one for a gate; a stand-in may need two."""

    def __init__(self, h1_port, h2_port, tls_port, authority, backend, gate=None):
        self.h1_port, self.h2_port, self.tls_port = h1_port, h2_port, tls_port
        self.authority, self.backend, self.gate = authority, backend, gate

    def port(self, over, version="h2"):
        """over is "clear" or "tls"."""
        if over == "tls":
            return self.tls_port
        return self.h2_port if version == "h2" else self.h1_port

    def tls(self, over, alpn=("h2",)):
        """The client's context to reach it with, None in clear text."""
        return client_tls(str(self.authority.certificate), alpn=alpn) if over == "tls" else None

    def url(self, over, path="/", version="h2"):
        """By address: the certificate is for 127.0.0.1 too."""
        return f"{'https' if over == 'tls' else 'http'}://127.0.0.1:{self.port(over, version)}{path}"


def protocol_line(protocol):
    return "" if protocol == "http1" else f", protocol: {protocol}"


def start_gate(make_gate, backend, certificate, authority, protocol="http1", service=None):
    service = service or SERVICE % f'forward: {{ to: "${{s}}"{protocol_line(protocol)} }}\n'
    known = [backend] if hasattr(backend, "requests") else []
    gate_file = LISTENERS % (TLS_LISTENER % certificate.pair)
    gate = make_gate({"gatehouse.yaml": gate_file, "services/s.yaml": service}, known,
                     local={"s": f'"{backend.address}"'})
    return Front(gate.port, gate.port, gate.port_of(1), authority, backend, gate)


def start_nginx(folder, backend, certificate, authority, protocol):
    ports = {name: unused_port() for name in ("h1", "h2", "tls")}
    forward = f"grpc_pass grpc://{backend.address};" if protocol != "http1" else NGINX_HTTP1 % backend.address
    (folder / "nginx.conf").write_text(NGINX % {
        **ports, "folder": folder, "certificate": certificate.certificate, "key": certificate.key,
        "forward": forward, "temp": NGINX_TEMP % {"folder": folder}})
    process = subprocess.Popen(["nginx", "-p", str(folder), "-e", f"{folder}/error.log",
                                "-c", f"{folder}/nginx.conf"])
    return process, Front(ports["h1"], ports["h2"], ports["tls"], authority, backend)


def start_haproxy(folder, backend, certificate, authority, protocol):
    ports = {name: unused_port() for name in ("h1", "tls")}
    (folder / "both.pem").write_bytes(certificate.certificate.read_bytes() + certificate.key.read_bytes())
    (folder / "haproxy.cfg").write_text(HAPROXY % {
        **ports, "folder": folder, "address": backend.address,
        "protocol": "proto h2 ws h2" if protocol != "http1" else ""})
    process = subprocess.Popen(["haproxy", "-db", "-q", "-f", f"{folder}/haproxy.cfg"])
    return process, Front(ports["h1"], ports["h1"], ports["tls"], authority, backend)


gate_only = pytest.mark.skipif(bool(STANDIN), reason="needs a gate")


def is_listening(port):
    try:
        wire.Client(port).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def make_front(make_shared, authority, server_certificate, tmp_path_factory):
    """make_front(backend, protocol="http1", service=None): a Front that ends with the module."""
    make_gate, _ = make_shared
    started = []

    def make(backend, protocol="http1", service=None):
        if STANDIN == "direct":
            return Front(backend.port, backend.port, None, authority, backend)
        if not STANDIN:
            return start_gate(make_gate, backend, server_certificate, authority, protocol, service)
        folder = tmp_path_factory.mktemp(STANDIN)
        start = {"nginx": start_nginx, "haproxy": start_haproxy}[STANDIN]
        process, front = start(folder, backend, server_certificate, authority, protocol)
        started.append(process)
        wait_until(lambda: process.poll() is not None or is_listening(front.tls_port), STANDIN)
        assert process.poll() is None, f"{STANDIN} did not start"
        return front

    yield make
    for process in started:
        process.terminate()
        process.wait(20)
