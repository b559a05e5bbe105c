"""Proofs of possession (RFC 9449): a stolen refresh token is useless without the key."""

import base64
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_COORDINATE_BYTES = 32


def new_key() -> str:
    """A new P-256 key as the AWS CLI keeps its own: SEC1 PEM (RFC 5915)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode("ascii")
    )


def is_key(pem: object) -> bool:
    """Whether `proof` can sign with it: a P-256 key in SEC1 or PKCS #8 PEM, as both are in use."""
    try:
        return isinstance(pem, str) and _loaded(pem) is not None
    except ValueError:
        return False


def proof(pem: str, url: str, now: float) -> str:
    """The value of the header `DPoP` for one POST to `url`. Raises ValueError for a bad key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = _loaded(pem)
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
    claims = {
        "htm": "POST",
        "htu": url,
        "iat": int(now),
        "jti": str(uuid.uuid4()),
    }
    signed = f"{_part(header)}.{_part(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256())))
    # JWS wants the two numbers side by side, not in DER (RFC 7518, 3.4).
    return f"{signed}.{_base64url(r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES))}"


def _loaded(pem: str) -> "EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    except (UnicodeEncodeError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not a key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def _coordinate(number: int) -> str:
    return _base64url(number.to_bytes(_COORDINATE_BYTES))


def _part(document: object) -> str:
    return _base64url(json.dumps(document, separators=(",", ":")).encode("ascii"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
