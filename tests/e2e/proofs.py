"""DPoP proofs (RFC 9449) made with real keys, right ones and wrong ones; and tokens that are bound to a key or a
certificate of their caller."""

import hashlib
import itertools
import json
import time

import wire
from tokens import encode, kind_of, private_key, public_jwk, sign

numbers = itertools.count(int(time.time() * 1000) << 16)


def digest(data):
    return encode(hashlib.sha256(data.encode() if isinstance(data, str) else data).digest())


class Holder:
    """Whoever holds a key that tokens are bound to."""

    def __init__(self, algorithm="ES256", index=100):
        self.algorithm = algorithm
        self.key = private_key(kind_of(algorithm), index)
        full = public_jwk(self.key, "unused")
        self.jwk = {name: value for name, value in full.items() if name not in ("kid", "use")}

    @property
    def thumbprint(self):
        """RFC 7638."""
        return digest(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")))

    @property
    def confirmation(self):
        return {"jkt": self.thumbprint}

    def proof(self, url, token, method="GET", header=None, key=None, **claims):
        """header and claims change what stands there; None takes a member out."""
        fields = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk, **(header or {})}
        said = {"jti": f"proof-{next(numbers)}", "htm": method, "htu": url, "iat": int(time.time()),
                "ath": digest(token), **claims}
        fields = {name: value for name, value in fields.items() if value is not None}
        said = {name: value for name, value in said.items() if value is not None}
        signed = f"{encode(fields)}.{encode(said)}"
        algorithm = fields.get("alg")
        known = algorithm if algorithm in ("ES256", "ES384", "RS256", "PS256", "EdDSA") else self.algorithm
        return f"{signed}.{encode(sign(key or self.key, known, signed.encode()))}"

    def headers(self, url, token, **options):
        return [("Authorization", "DPoP " + token), ("DPoP", self.proof(url, token, **options))]


def certificate_thumbprint(signed):
    """x5t#S256 of a pki.Signed (RFC 8705 §3.1)."""
    return encode(hashlib.sha256(signed.der()).digest())


def connections_of_all_workers(gate, count=16):
    """So many that the kernel has given some to each worker; each has had a request answered."""
    clients = [wire.Client(gate.port) for _ in range(count)]
    for client in clients:
        client.get("/open")
    return clients
