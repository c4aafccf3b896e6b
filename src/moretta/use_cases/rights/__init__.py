"""Rights of people over what is kept of them: erasure with a certificate, access, rectification, restriction, objection.

Belongs here: the order of work over the core's ports, one module a subject. Does not belong here: SQL, cryptography, HTTP.
"""

from moretta.use_cases.rights.facade import Rights

__all__ = ["Rights"]
