"""Signatures in JSON are written and read as the published vectors say, and in no other way."""

import json

import pytest

from moretta.core.consent_proof import key_from_jwk, key_to_jwk
from moretta.core.errors import ProofRejected, RequestInvalid
from moretta.core.jws import compact, from_base64url, parsed, to_base64url
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.keys.subjects import is_signed_by_subject

# RFC 8037, appendix A.1, A.2, A.4 and A.5.
SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
ED25519_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
# RFC 7515, appendix A.3.1.
P256_JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ES256_JWS = (
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


def test_the_published_ed25519_signature_is_made_bit_by_bit() -> None:
    signer = SeedSigner(from_base64url(SEED))
    assert to_base64url(signer.public_key) == PUBLIC
    assert compact({"alg": "EdDSA"}, b"Example of Ed25519 signing", signer.sign) == ED25519_JWS


def test_the_published_ed25519_signature_holds() -> None:
    found = parsed(ED25519_JWS)
    assert (found.header, found.payload) == ({"alg": "EdDSA"}, b"Example of Ed25519 signing")
    assert is_signed_by(from_base64url(PUBLIC), found.message, found.signature)


def test_the_published_es256_signature_holds_for_a_subjects_key_and_no_changed_one_does() -> None:
    found, key = parsed(ES256_JWS), key_from_jwk(P256_JWK)
    assert json.loads(found.payload)["iss"] == "joe"
    assert is_signed_by_subject(key, found.message, found.signature)
    assert not is_signed_by_subject(key, found.message + b" ", found.signature)
    assert not is_signed_by_subject(key, found.message, bytes(64))
    assert not is_signed_by_subject(key, found.message, found.signature + b"\x00")
    assert not is_signed_by_subject(key[:-1], found.message, found.signature)


def test_keys_are_read_and_written_as_jwk() -> None:
    ed25519 = {"kty": "OKP", "crv": "Ed25519", "x": PUBLIC}
    for jwk in (ed25519, P256_JWK):
        assert key_to_jwk(key_from_jwk(jwk)) == jwk
    wrong = [
        {},
        {**ed25519, "crv": "X25519"},
        {**P256_JWK, "crv": "P-384"},
        {**ed25519, "x": PUBLIC[:-2]},
        {**ed25519, "x": 1},
        {**P256_JWK, "y": "!"},
    ]
    for jwk in wrong:
        with pytest.raises(RequestInvalid):
            key_from_jwk(jwk)


@pytest.mark.parametrize("text", ["AA==", "A", "AAB", "+A", "/w", "A A", "é"])
def test_there_is_one_way_to_write_base64url(text: str) -> None:
    with pytest.raises(ProofRejected):
        from_base64url(text)
