"""Measures what hiding faces achieves: who can still be recognised, what stays uncovered.

Belongs here: protocols and attackers that need many people. Does not belong here: hiding (see `moretta.vision.redact`), the check
of one item (see `moretta.use_cases.redaction.attacks`).
"""
