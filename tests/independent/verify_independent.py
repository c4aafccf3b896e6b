"""Checks what Moretta hands out without any code of Moretta: only Python's standard library, and `cryptography` for Ed25519.

    python verify_independent.py KEY FILE...

KEY is the region's public key: base64 of 32 bytes, or `NAME+HASH+BASE64` as `moretta log keys` prints it. Each FILE is a signed
checkpoint, a proof of an entry, an erasure certificate, or a message about a rights request as a callback brings it. It
prints `holds` for each and exits 0, or says what does not and exits 1.

Written from the public descriptions alone: RFC 9162 (2.1) for trees, C2SP signed-note and tlog-checkpoint for checkpoints, RFC
8032 for Ed25519, RFC 7515 for messages, and docs of this project for the fields of its documents.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Refused(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def signed_by(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key(text):
    key = base64.b64decode(text.split("+", 2)[2] if text.count("+") >= 2 and len(text) > 60 else text)
    key = key[1:] if len(key) == 33 else key
    require(len(key) == 32, "the public key is none")
    return key


def checkpoint(text, key):
    """Origin, size and root of a note that the key signed."""
    body, _, signatures = text.partition("\n\n")
    body += "\n"
    origin, size, root = body.split("\n")[:3]
    key_hash = sha256(origin.encode() + b"\n\x01" + key)[:4]
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        raw = from_base64(encoded)
        if dash == "\u2014" and name == origin and raw[:4] == key_hash and signed_by(key, body.encode(), raw[4:]):
            return origin, int(size), from_base64(root)
    raise Refused("the checkpoint is not signed by this key")


def from_base64(text):
    """RFC 4648, 4, written in its one way: with padding, and no bit set that says nothing."""
    content = base64.b64decode(text, validate=True)
    require(base64.b64encode(content).decode() == text, "base64 is written in another way")
    return content


def pair(left, right):
    return sha256(b"\x01" + left + right)


def root_of_path(leaf, index, size, path):
    """RFC 9162, 2.1.3.2, by recursion from the top."""
    if size == 1:
        require(not path, "the audit path is too long")
        return leaf
    require(path, "the audit path is too short")
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return pair(root_of_path(leaf, index, split, path[:-1]), path[-1])
    return pair(path[-1], root_of_path(leaf, index - split, size - split, path[:-1]))


def roots_of_growth(first, size, proof, whole, first_root):
    """The roots of both trees as a consistency proof gives them: RFC 9162, 2.1.4.2, by recursion from the top."""
    if first == size:
        if whole:
            require(not proof, "the consistency proof is too long")
            return first_root, first_root
        require(len(proof) == 1, "the consistency proof has another length")
        return proof[0], proof[0]
    require(proof, "the consistency proof is too short")
    split = 1
    while split * 2 < size:
        split *= 2
    if first <= split:
        old, new = roots_of_growth(first, split, proof[:-1], whole, first_root)
        return old, pair(new, proof[-1])
    old, new = roots_of_growth(first - split, size - split, proof[:-1], False, first_root)
    return pair(proof[-1], old), pair(proof[-1], new)


def log_proof(proof, key):
    """The entry of a proof that holds."""
    require(proof["type"] == "moretta.log-proof.v1", "this is no proof of an entry")
    origin, size, root = checkpoint(proof["checkpoint"], key)
    index = proof["index"]
    require(0 <= index < size, "the entry is not under the checkpoint")
    leaf = sha256(b"\x00" + canonical(proof["entry"]))
    path = [from_base64(one) for one in proof["inclusion"]]
    require(root_of_path(leaf, index, size, path) == root, "the entry is not in the log")
    if "earlier" in proof:
        before, first, first_root = checkpoint(proof["earlier"]["checkpoint"], key)
        require(before == origin and first <= size, "the earlier checkpoint is of another log")
        steps = [from_base64(one) for one in proof["earlier"]["consistency"]]
        if first:
            require(
                roots_of_growth(first, size, steps, True, first_root) == (first_root, root),
                "the log does not begin with the earlier one",
            )
    return proof["entry"]


def certificate(document, key):
    """An erasure certificate: signed by the key, committed to by an entry of the log that the same key signed."""
    signature = document["signature"]
    require(from_base64(signature["public_key"]) == key, "the certificate is signed by another key")
    require(set(signature) == {"key_id", "public_key", "value"}, "the signature has another form")
    require(signature["key_id"] == "ed25519_" + sha256(key)[:8].hex(), "the signature names another key")
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    message = b"moretta document 1\n" + document["type"].encode() + b"\n" + canonical(unsigned)
    require(signed_by(key, message, from_base64(signature["value"])), "the certificate was changed")
    entry = log_proof(document["log"], key)
    body = {name: value for name, value in unsigned.items() if name != "log"}
    nonce = bytes.fromhex(entry["nonce"])
    committed = sha256(b"moretta log commitment 1" + nonce + sha256(canonical(body)))
    require(bytes.fromhex(entry["content"]) == committed, "the log's entry is of another document")
    require(
        body["subject"] == {"nonce": entry["nonce"], "commitment": entry["subject"]},
        "the log's entry is about somebody else",
    )
    require(entry["facts"]["certificate"] == body["certificate_id"], "the log's entry is of another certificate")


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rights_notice(text, key):
    """A message about a rights request (RFC 7515, 5.2): the key in its header is not believed; its id is the caller's to keep."""
    head, payload, signature = text.split(".")
    header = json.loads(from_base64url(head))
    require(header["alg"] == "EdDSA" and "crit" not in header, "the message is signed in another way")
    require(header["typ"] == "moretta-rights-notice+jws", "this kind of signature is not known here")
    require(signed_by(key, f"{head}.{payload}".encode("ascii"), from_base64url(signature)), "the message was changed")
    told = json.loads(from_base64url(payload))
    require(told["type"] == "moretta.rights-notice.v1", "this is no message about a rights request")
    require(isinstance(told["jti"], str) and isinstance(told["iat"], int), "the message has no id and time")


def each_once(pairs):
    require(len(dict(pairs)) == len(pairs), "a name stands twice")
    return dict(pairs)


def verify(content, key):
    if content[:1] != b"{":
        text = content.decode()
        if "\n" in text.strip():
            checkpoint(text, key)
        else:
            rights_notice(text.strip(), key)
        return
    document = json.loads(content, object_pairs_hook=each_once)
    kinds = {"moretta.log-proof.v1": log_proof, "moretta.erasure-certificate.v1": certificate}
    require(document.get("type") in kinds, "this kind of document is not known here")
    kinds[document["type"]](document, key)


def main(arguments):
    key = public_key(arguments[0])
    for name in arguments[1:]:
        with open(name, "rb") as file:  # noqa: PTH123 - plain Python
            content = file.read()
        try:
            verify(content, key)
        except (Refused, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"does not hold: {type(error).__name__}: {error}")
            return 1
        print("holds")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
