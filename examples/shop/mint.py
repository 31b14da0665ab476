#!/usr/bin/python3
"""Stands in for the shop's two identity providers: makes their keys and signs tokens with them. `examples/shop/demo`
calls it; private keys go to the folder given and never into the tree.
    mint.py keys PRIVATE_FOLDER GATE_FOLDER
    mint.py token PRIVATE_FOLDER partners|staff CLAIM=VALUE..."""

import base64
import json
import os
import pathlib
import sys
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUERS = {"partners": "https://id.partner.example", "staff": "https://id.shop.example"}
HOURS_VALID = 12


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_keys(private_folder, gate_folder):
    private_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ISSUERS:
        path = private_folder / f"{name}.pem"
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption())
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(text)
        numbers = load_key(path).public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": f"{name}-1",
               "x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big"))}
        (gate_folder / f"{name}.jwks.json").write_text(json.dumps({"keys": [jwk]}, indent=2) + "\n")


def load_key(path):
    return serialization.load_pem_private_key(path.read_bytes(), None)


def make_token(private_folder, name, pairs):
    now = int(time.time())
    claims = {"iss": ISSUERS[name], "aud": "shop", "iat": now, "exp": now + HOURS_VALID * 3600}
    for pair in pairs:
        claim, value = pair.split("=", 1)
        claims[claim] = value.split(",") if claim == "groups" else value
    header = {"alg": "ES256", "typ": "JWT", "kid": f"{name}-1"}
    signed = encode(json.dumps(header).encode()) + "." + encode(json.dumps(claims).encode())
    key = load_key(private_folder / f"{name}.pem")
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return signed + "." + encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "keys":
        make_keys(pathlib.Path(arguments[1]), pathlib.Path(arguments[2]))
    elif len(arguments) >= 3 and arguments[0] == "token" and arguments[2] in ISSUERS:
        print(make_token(pathlib.Path(arguments[1]), arguments[2], arguments[3:]))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
