"""Retention, put together: what is over its time is erased through people's rights, and so certified.

Belongs here: which implementation erases. Does not belong here: deadlines and sweeping (see `use_cases.retention`), when (see
`housekeeping`).
"""

from moretta.use_cases.recognition.means import Means
from moretta.use_cases.retention import Retention, RetentionMeans
from moretta.use_cases.rights import Rights


def retention_over(means: Means, rights: Rights) -> Retention:
    """Retention over the regions and the policy of `means`, which erases through `rights` and so issues certificates."""

    def erase(company_id: str, person_id: str, reason: str) -> str:
        return rights.erase(company_id, person_id, reason).certificate.certificate_id

    return Retention(RetentionMeans(means, erase))
