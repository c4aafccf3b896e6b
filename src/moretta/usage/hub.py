"""The vendor's side: issue company ids and keys, keep each batch once, show counts. It knows no name and no content."""

from dataclasses import dataclass, field

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import NotAuthenticated, UsageRejected
from moretta.core.keys import HUB_TOKEN_PREFIX, hash_secret, new_bearer_token, parse_bearer_token, secret_matches
from moretta.core.metering import HubCount, HubLedger
from moretta.core.usage import new_company_id
from moretta.usage.envelope import acknowledgement, is_signed_by, new_signing_key, parse_envelope


@dataclass(frozen=True, slots=True)
class IssuedCompany:
    """A new company. `signing_key` and `token` are shown once and stored nowhere."""

    company_id: str
    signing_key: str = field(repr=False)
    token: str = field(repr=False)


class Hub:
    """What the hub does, whatever door it is reached by. Safe to share between threads."""

    def __init__(self, ledger: HubLedger, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._ledger = ledger
        self._checkpoint = checkpoint

    def create_company(self) -> IssuedCompany:
        """A company with a random id, a key that signs its batches, and a token that reads its counts."""
        company_id = new_company_id()
        self._ledger.add_company(company_id)
        return IssuedCompany(company_id, self.issue_signing_key(company_id), self._issue_token(company_id))

    def issue_signing_key(self, company_id: str) -> str:
        """One more key that may sign for a company, shown once.

        Raises:
            NotFound: no such company.
        """
        issued = new_signing_key()
        self._ledger.add_signing_key(company_id, issued.public)
        return issued.secret

    def replace_signing_keys(self, company_id: str) -> str:
        """Revoke every key of a company and issue a new one; batches signed by a revoked key are refused from now on.

        Raises:
            NotFound: no such company.
        """
        self._ledger.revoke_signing_keys(company_id)
        return self.issue_signing_key(company_id)

    def create_admin_token(self) -> str:
        """A token that reads every company's counts, shown once."""
        return self._issue_token(None)

    def companies(self) -> list[str]:
        """Every company's id, the oldest first."""
        return self._ledger.companies()

    def accept(self, raw: bytes) -> bytes:
        """Keep a signed batch once and return the acknowledgement; a repeated batch gets the same one.

        Raises:
            UsageRejected: the schema, the company or the signature is not what it should be.
        """
        signed = parse_envelope(raw)
        batch = signed.batch
        if not any(is_signed_by(signed, key) for key in self._ledger.signing_keys(batch.company_id)):
            # One answer for an unknown company and a wrong signature: nobody learns which companies there are.
            raise UsageRejected(
                "expected a batch that a known company signed; check the company id and the signing key"
            )
        self._checkpoint("accept:verified")
        self._ledger.keep(batch, raw)
        self._checkpoint("accept:kept")
        return acknowledgement(batch.batch_id, batch.company_id, len(batch.records), raw)

    def authenticate(self, token: str) -> str | None:
        """The company whose token this is; None for the administrator.

        Raises:
            NotAuthenticated: neither.
        """
        parsed = parse_bearer_token(token, HUB_TOKEN_PREFIX)
        found = None if parsed is None else self._ledger.token(parsed.token_id)
        if parsed is None or not secret_matches(parsed.secret, None if found is None else found[0]) or found is None:
            raise NotAuthenticated("expected the hub token of a company or of the administrator")
        return found[1]

    def counts(self, company_id: str | None = None) -> list[HubCount]:
        """The counts of one company or of all."""
        return self._ledger.counts(company_id)

    def _issue_token(self, company_id: str | None) -> str:
        token = new_bearer_token()
        self._ledger.add_token(token.token_id, hash_secret(token.secret), company_id)
        return token.text(HUB_TOKEN_PREFIX)
