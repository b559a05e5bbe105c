"""AWS's own host names for the emulated services, behind a proxy: which region is asked is in the name alone."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2")
_NAMES = ("oidc.{}.amazonaws.com", "portal.sso.{}.amazonaws.com", "{}.signin.aws.amazon.com")


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A bundle to trust, and what answers for all of these hosts with a certificate of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulated AWS")])
    now = datetime.now(UTC)
    hosts = [x509.DNSName(pattern.format(region)) for pattern in _NAMES for region in REGIONS]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, private = folder / "ca.pem", folder / "key.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, private)
    return bundle, context
