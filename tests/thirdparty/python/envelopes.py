"""Reads the DSSE envelopes of thirdparty_emit with securesystemslib and their statements with in-toto's own
bindings; then signs one the other way round, for `thirdparty_emit check`."""

import copy
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey


def key_of(entry):
    return SSlibKey(entry["keyid"], "ed25519", "ed25519", {"public": entry["public"]})


def refused(envelope, keys, threshold):
    try:
        envelope.verify(keys, threshold)
    except VerificationError:
        return True
    return False


def check(directory, facts):
    raw = json.loads((directory / facts["file"]).read_bytes())
    assert raw["payloadType"] == facts["type"], raw["payloadType"]
    envelope = Envelope.from_dict(copy.deepcopy(raw))
    keys = [key_of(entry) for entry in facts["keys"]]
    accepted = envelope.verify(keys, len(keys))
    assert set(accepted) == {entry["keyid"] for entry in facts["keys"]}, accepted
    assert refused(envelope, [key_of(facts["stranger"])], 1), "a stranger's key verifies it"

    altered = Envelope.from_dict(copy.deepcopy(raw))
    altered.payload += b" "
    assert refused(altered, keys, 1), "an altered payload passes"
    retyped = Envelope.from_dict(copy.deepcopy(raw))
    retyped.payload_type += "x"
    assert refused(retyped, keys, 1), "another payload type passes"

    statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, statement_pb2.Statement()))
    statement.validate()
    kind = statement.pb.predicate_type
    print(f"securesystemslib reads {facts['file']}: {len(accepted)} signatures; in-toto: {kind}")


def sign(directory):
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    keyid = hashlib.sha256(public).hexdigest()
    signer = CryptoSigner(private, key_of({"keyid": keyid, "public": public.hex()}))
    envelope = Envelope('{"by": "securesystemslib"}'.encode(), "application/vnd.in-toto+json", {})
    envelope.sign(signer)
    (directory / "python.envelope").write_text(json.dumps(envelope.to_dict(), indent=1))
    (directory / "python.key").write_text(public.hex())


def main():
    directory = pathlib.Path(sys.argv[1])
    facts = json.loads((directory / "facts.json").read_bytes())
    assert facts["envelopes"], "no envelopes to check"
    for entry in facts["envelopes"]:
        check(directory, entry)
    sign(directory)


main()
