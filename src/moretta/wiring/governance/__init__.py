"""Governance documents of a running deployment: records of processing, impact assessment, signs, notices, the evidence map.

Belongs here: collecting facts and rendering documents from them. Does not belong here: facts as values (see `core.governance`),
the templates' text (`pages/templates`), HTTP, and any fact that the deployment does not know: a document says that it is missing.
"""

from moretta.wiring.governance.documents import GovernanceDocuments

__all__ = ["GovernanceDocuments"]
