"""Certificates for the VPN: one for each PC, by which the server knows it, and the server's own, by which PCs know it.

All are signed by themselves: either side is told beforehand which one to trust, and trusts no other.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from database import utc_now

BITS = 2048
YEARS = 10
EARLIER = timedelta(days=2)  # a PC whose clock is behind must not find it "not yet valid"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Pair:
    """What a PC shows to the VPN server: DER, the key as PKCS#1; the certificate alone as PEM too."""

    key_der: bytes
    certificate_der: bytes
    certificate_pem: str


def client(user: str) -> Pair:
    """A new key with its certificate for that VPN account; takes a tenth of a second."""
    key = _new_key()
    certificate = _signed(key, user, [], ExtendedKeyUsageOID.CLIENT_AUTH)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Pair(_key_as(key, serialization.Encoding.DER), der, pem)


def server(names: Iterable[str], addresses: Iterable[str] = ()) -> tuple[str, str]:
    """(key, certificate) as PEM for a server that is reached by these names and addresses; the first one is its name.

    ValueError without any.
    """
    hosts, numbers = list(names), list(addresses)
    if not hosts and not numbers:
        raise ValueError("a server needs a name")
    known: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    known += [x509.IPAddress(ip_address(number)) for number in numbers]
    key = _new_key()
    certificate = _signed(key, (hosts or numbers)[0], known, ExtendedKeyUsageOID.SERVER_AUTH)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return _key_as(key, serialization.Encoding.PEM).decode(), pem


def der_of(pem: str) -> bytes:
    """The first certificate of a PEM file as DER; ValueError when there is none."""
    _, begin, rest = pem.partition(_BEGIN)
    body, end, _ = rest.partition(_END)
    if not begin or not end:
        raise ValueError("no certificate")
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("no certificate") from error
    x509.load_der_x509_certificate(der)  # ValueError for what isn't one
    return der


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def _key_as(key: rsa.RSAPrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def _signed(
    key: rsa.RSAPrivateKey, name: str, known: list[x509.GeneralName], purpose: x509.ObjectIdentifier
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = utc_now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if known:
        builder = builder.add_extension(x509.SubjectAlternativeName(known), critical=False)
    return builder.sign(key, hashes.SHA256())
