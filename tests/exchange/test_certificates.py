"""Certificates of PCs and of the VPN server."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from database import utc_now
from exchange import certificates

USER = "916237-0000021.01"


def names(certificate: x509.Certificate) -> list[str]:
    return [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def test_a_pcs_certificate_is_signed_with_its_own_key_and_names_its_account() -> None:
    pair = certificates.client(USER)
    certificate = x509.load_der_x509_certificate(pair.certificate_der)
    key = serialization.load_der_private_key(pair.key_der, None)
    assert names(certificate) == [USER]
    assert certificate.public_key() == key.public_key()
    assert certificate.public_key().key_size == 2048
    assert certificates.der_of(pair.certificate_pem) == pair.certificate_der
    certificate.verify_directly_issued_by(certificate)


def test_its_key_is_written_as_softether_reads_keys() -> None:
    key = certificates.client(USER).key_der
    loaded = serialization.load_der_private_key(key, None)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    assert loaded.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()) == key


def test_two_pcs_have_two_keys() -> None:
    one, other = certificates.client(USER), certificates.client(USER)
    assert one.key_der != other.key_der
    assert one.certificate_der != other.certificate_der


def test_a_certificate_is_valid_for_years_and_on_a_pc_whose_clock_is_behind() -> None:
    certificate = x509.load_der_x509_certificate(certificates.client(USER).certificate_der)
    assert (utc_now() - certificate.not_valid_before_utc).days >= 1
    assert (certificate.not_valid_after_utc - utc_now()).days > 3600


def test_a_servers_certificate_names_what_it_is_reached_by() -> None:
    key_pem, pem = certificates.server(["vpn.todoke.example"], ["192.0.2.1"])
    certificate = x509.load_pem_x509_certificate(pem.encode())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert known.get_values_for_type(x509.DNSName) == ["vpn.todoke.example"]
    assert [str(one) for one in known.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert names(certificate) == ["vpn.todoke.example"]
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert key.public_key() == certificate.public_key()


def test_a_server_without_a_name_has_no_certificate() -> None:
    with pytest.raises(ValueError, match="name"):
        certificates.server([])


def test_the_certificate_is_found_behind_a_key_and_before_others() -> None:
    key_pem, pem = certificates.server(["vpn.todoke.example"])
    other = certificates.client(USER).certificate_pem
    assert certificates.der_of(key_pem + pem + other) == certificates.der_of(pem)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not PEM at all",
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_file_without_a_certificate_has_none(text: str) -> None:
    with pytest.raises(ValueError):
        certificates.der_of(text)
