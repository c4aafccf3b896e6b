"""Consent: notices, decisions of subjects, their proofs, and their end. Doors use `facade.Consents`.

Belongs here: the order of work over the core's ports, one module a subject. Does not belong here: cryptography, SQL, HTTP, and
whether a consent is needed (the policy). Enrolling uses `validity`, so nothing is imported here.
"""
