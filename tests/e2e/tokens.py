"""Token issuers with real keys, for tests: right tokens, and wrong ones of every kind RFC 8725 warns of."""

import base64
import functools
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def encode(data):
    if isinstance(data, (dict, list)):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, size=None):
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@functools.lru_cache(maxsize=None)
def private_key(kind, index=0):
    """One key of a kind ("rsa", "ES256", "EdDSA"...) per test run; another index is another key."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


def kind_of(algorithm):
    return "rsa" if algorithm[:2] in ("RS", "PS") else algorithm


def sign(key, algorithm, data):
    if algorithm.startswith("RS"):
        return key.sign(data, padding.PKCS1v15(), HASHES[algorithm[2:]])
    if algorithm.startswith("PS"):
        chosen = HASHES[algorithm[2:]]
        return key.sign(data, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
    if algorithm.startswith("ES"):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(HASHES[algorithm[2:]])))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(data)


def public_jwk(key, kid, algorithm=None):
    public = key.public_key()
    jwk = {"kid": kid, "use": "sig"}
    if algorithm:
        jwk["alg"] = algorithm
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        return {**jwk, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {**jwk, "kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
    numbers, size = public.public_numbers(), (key.curve.key_size + 7) // 8
    name = {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
    return {**jwk, "kty": "EC", "crv": name, "x": number(numbers.x, size), "y": number(numbers.y, size)}


def private_jwk(key, kid, algorithm):
    """Of an ECDSA key, with its private part."""
    size = (key.curve.key_size + 7) // 8
    return {**public_jwk(key, kid, algorithm), "d": number(key.private_numbers().private_value, size)}


class Issuer:
    """An identity provider that has one key of each kind."""

    def __init__(self, name="https://id.partner.example", audience="orders", index=0):
        self.name, self.audience, self.index = name, audience, index

    def key(self, algorithm):
        return private_key(kind_of(algorithm), self.index)

    def kid(self, algorithm):
        return f"{kind_of(algorithm)}-{self.index}"

    def jwks(self, algorithms=ALGORITHMS):
        kinds = {kind_of(algorithm): algorithm for algorithm in algorithms}
        return {"keys": [public_jwk(self.key(a), self.kid(a), None if kind == "rsa" else a)
                         for kind, a in kinds.items()]}

    def claims(self, **changes):
        """What every good token says, then changes; a change to None takes a claim out."""
        now = int(time.time())
        claims = {"iss": self.name, "aud": self.audience, "sub": "alice", "iat": now, "exp": now + 300}
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, algorithm="RS256", header=None, payload=None, **claims):
        """A signed token. header adds to or (None) takes from the header; payload is the exact JSON text."""
        fields = {"alg": algorithm, "typ": "JWT", "kid": self.kid(algorithm), **(header or {})}
        fields = {name: value for name, value in fields.items() if value is not None}
        text = payload if payload is not None else json.dumps(self.claims(**claims))
        signed = f"{encode(fields)}.{encode(text)}"
        return f"{signed}.{encode(sign(self.key(algorithm), algorithm, signed.encode()))}"

    def bearer(self, *arguments, **options):
        return {"Authorization": "Bearer " + self.token(*arguments, **options)}


def hmac_token(secret, header, claims):
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def verify_es256(token, jwks):
    """The claims of a token that an ES256 key of the set signed; raises when it did not."""
    head, body, signature = token.split(".")
    header = json.loads(decode(head))
    assert header["alg"] == "ES256", header
    jwk = next(key for key in jwks["keys"] if key["kid"] == header["kid"])
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(decode(jwk["x"]), "big"),
                                            int.from_bytes(decode(jwk["y"]), "big"), ec.SECP256R1())
    raw = decode(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    numbers.public_key().verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    return json.loads(decode(body))
