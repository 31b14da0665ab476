"""TLS as tests look at it: handshakes with what was agreed on, and a gate's files with certificates in its folder,
where a test can change them."""

import contextlib
import socket
import ssl

import wire
from h2wire import client_tls

LISTEN = """\
listen:
  - address: "127.0.0.1:0"
    tls:
%s
%sadmin: { address: "127.0.0.1:0" }
workers: 2
log: { access: { file: access.log } }
"""

OPEN = "match: { path: / }\naccess: [{ allow: anyone }]\n"


def listen(*lines, more=""):
    """gatehouse.yaml with one TLS listener; lines stand under its tls, more beside it."""
    return LISTEN % ("\n".join("      " + line for line in lines), "".join(f"    {m}\n" for m in more.splitlines()))


def in_folder(**certificates):
    """The files of certificates (see pki.py) as certs/NAME.pem and certs/NAME.key."""
    files = {}
    for name, signed in certificates.items():
        files[f"certs/{name}.pem"] = signed.certificate.read_text()
        files[f"certs/{name}.key"] = signed.key.read_text()
    return files


def pair(name):
    return f"{{ certificate: certs/{name}.pem, key: certs/{name}.key }}"


class Handshake:
    """What a client learns; .client is a wire.Client on the connection."""

    def __init__(self, port, name="gate.test", ca=None, certificate=None, alpn=None, session=None, context=None,
                 source=None):
        self.context = context or client_tls(ca, certificate, alpn=alpn)
        self.client = wire.Client(port, source=source)
        try:
            self.client.socket = self.context.wrap_socket(
                self.client.socket, server_hostname=name, session=session, suppress_ragged_eofs=False)
        except BaseException:
            self.client.close()
            raise
        connected = self.client.socket
        self.version, self.alpn = connected.version(), connected.selected_alpn_protocol()
        self.certificate, self.reused = connected.getpeercert(binary_form=True), connected.session_reused

    @property
    def session(self):
        return self.client.socket.session

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def get(self, target="/", headers=(), **options):
        return self.client.get(target, headers, **options)


def refusal(port, **options):
    """Why a handshake fails, as the client sees it; a client of TLS 1.3 learns it with its first read."""
    try:
        with Handshake(port, **options) as done:
            done.client.send(wire.head("GET", "/"))
            if done.client.socket.recv(1) == b"":
                return "closed"
    except (ssl.SSLError, OSError) as failure:
        return str(failure)
    raise AssertionError("the handshake was good")


def say_in_clear(port, octets):
    """What a TLS port says to bytes that are no TLS, until it closes."""
    with wire.Client(port) as client:
        client.send(octets)
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        return client.read_to_end()
