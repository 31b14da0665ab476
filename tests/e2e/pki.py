"""Certificates for tests: authorities of our own and what they sign, as PEM files in a folder."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def new_key(kind):
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def name_of(common_name, units=(), organisation=None):
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name(parts + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def general_name(text):
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Signed:
    """A certificate with its key, as files: .certificate (the chain, itself first) and .key."""

    def __init__(self, folder, file, certificate, key, chain=()):
        self.x509, self.private = certificate, key
        self.certificate = pathlib.Path(folder, file + ".pem")
        self.key = pathlib.Path(folder, file + ".key")
        pem = serialization.Encoding.PEM
        self.certificate.write_bytes(b"".join(c.public_bytes(pem) for c in [certificate, *chain]))
        self.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))

    @property
    def pair(self):
        return str(self.certificate), str(self.key)

    @property
    def serial(self):
        return self.x509.serial_number

    def fingerprint(self):
        return self.x509.fingerprint(hashes.SHA256()).hex()

    def der(self):
        return self.x509.public_bytes(serialization.Encoding.DER)


class Authority(Signed):
    """A root, or with `above` an intermediate."""

    def __init__(self, folder, file="ca", common_name="Test CA", above=None):
        key = new_key("ec")
        self.above = above
        signer = above.private if above else key
        issuer = above.x509.subject if above else name_of(common_name)
        made = (builder(name_of(common_name), issuer, key, days=30)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
                .sign(signer, hashes.SHA256()))
        self.folder = folder
        super().__init__(folder, file, made, key)

    def issue(self, file, names=(), common_name=None, kind="ec", days=60, from_days=-1, units=(), client=False):
        """A server's or client's certificate; names are DNS names, addresses or URIs."""
        key = new_key(kind)
        use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        subject = name_of(common_name or (names[0] if names else file), units, "Example" if units else None)
        made = builder(subject, self.x509.subject, key, days, from_days)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([general_name(n) for n in names]), False)
        made = (made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.ExtendedKeyUsage([use]), False)
                .sign(self.private, hashes.SHA256()))
        return Signed(self.folder, file, made, key, [self.x509] if self.above else [])


def builder(subject, issuer, key, days, from_days=-1):
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + from_days * DAY).not_valid_after(now + days * DAY))
