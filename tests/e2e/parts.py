"""Which parts of the gate stand. A test marked with another is skipped, unless E2E_PARTS names it ("all": every one)
or a stand-in takes the gate's place (see fronts.py)."""

import os

STANDING = {"client_cert", "grpc", "grpc_web", "http2", "http2_backend", "proxy_protocol", "proxy_protocol_sent",
            "tls", "tls_backend", "websocket_access", "websocket_h2"}
ASKED = set(os.environ.get("E2E_PARTS", "").split(","))
STANDIN = os.environ.get("E2E_STANDIN")


def stands(name):
    return name in STANDING | ASKED or "all" in ASKED or bool(STANDIN)
