"""The evidence map: what a law or standard asks, what enforces it here, what shows that, what remains.

Belongs here: all rows, in order. A test checks that every module, test, document and kind of log entry that is named exists.
Does not belong here: statements that a deployment meets a law: the software gives evidence, people assess it.
"""

from moretta.core.governance import EvidenceRow
from moretta.wiring.governance.evidence_elsewhere import OTHER_ROWS
from moretta.wiring.governance.evidence_eu import EU_ROWS
from moretta.wiring.governance.shown import AI_ACT, CCPA, GDPR, HIPAA, ISO

FRAMEWORKS = (GDPR, AI_ACT, HIPAA, ISO, CCPA)
EVIDENCE: tuple[EvidenceRow, ...] = (*EU_ROWS, *OTHER_ROWS)
