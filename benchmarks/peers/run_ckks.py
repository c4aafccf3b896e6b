"""TenSEAL's CKKSVector, one template a ciphertext, as CipherFace and DeepFace's encryption use it. Arguments: count, dimension.

Each run compares a plain probe with `count` encrypted templates and decrypts the scores; the parameters are those of TenSEAL's
own tutorial.
"""

import sys
from importlib.metadata import version

import tenseal as ts
from taking_turns import take_turns, unit_vectors

count, dimension = int(sys.argv[1]), int(sys.argv[2])
gallery = unit_vectors(count, dimension)
context = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
context.global_scale = 2**40
context.generate_galois_keys()
templates = [ts.ckks_vector(context, row.tolist()) for row in gallery]
probe = gallery[5].tolist()


def run() -> None:
    for template in templates:
        template.dot(probe).decrypt()


take_turns(run, {"versions": {"tenseal": version("tenseal")}, "template_bytes": len(templates[0].serialize())})
