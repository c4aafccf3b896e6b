"""Human review of matches, and approvals of uses: what people decide about recognition, on record.

Belongs here: the order of work over the core's ports, one module a subject. Does not belong here: SQL, HTTP. Doors import
`use_cases.review.facade`; this package imports nothing by itself, because recognition uses a part of it.
"""
