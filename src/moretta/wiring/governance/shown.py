"""What rows of the evidence map rest on: tests, entries of the log, documents, commands; and the frameworks.

Belongs here: evidence that several rows name, and short ways to name it. Does not belong here: rows.
"""

from moretta.core.governance import EvidenceRow, Shown, ShownBy
from moretta.core.ledger import EntryKind

GDPR, AI_ACT, HIPAA, ISO, CCPA = (
    "GDPR (Regulation (EU) 2016/679)",
    "AI Act (Regulation (EU) 2024/1689)",
    "HIPAA Security Rule, technical and administrative safeguards (45 CFR 164)",
    "ISO/IEC 27001:2022, Annex A",
    "CCPA, as amended (California Civil Code)",
)


def by_test(path: str, name: str) -> Shown:
    """A test of this repository, by its path without `.py`, and its name."""
    return Shown(ShownBy.TEST, f"tests/{path}.py::{name}")


def by_log(kind: EntryKind) -> Shown:
    """A kind of entry in the transparency log."""
    return Shown(ShownBy.LOG, kind.value)


def by_document(path: str) -> Shown:
    """A document, by its path under `docs/`."""
    return Shown(ShownBy.DOCUMENT, f"docs/{path}")


def by_command(text: str) -> Shown:
    """A command."""
    return Shown(ShownBy.COMMAND, f"moretta {text}")


def row(
    framework: str, reference: str, asks: str, enforced: str, shown: tuple[Shown, ...], remains: str
) -> EvidenceRow:
    """A row; `enforced` are modules, separated by spaces."""
    return EvidenceRow(framework, reference, asks, tuple(enforced.split()), shown, remains)


GOVERNANCE = "contracts/test_governance_store_contracts"
CONSENTS = "contracts/test_consent_store_contracts"
GIVING, ENDING = "unit/use_cases/test_consent_giving", "unit/use_cases/test_consent_ending"
SWEEPS = "unit/use_cases/test_retention_sweep"
REGISTER = "unit/use_cases/test_incidents"
DOCUMENTS = "unit/wiring/test_governance_documents"

# Evidence that several rows rest on.
SEALED = by_test(
    "contracts/test_storage_no_plaintext", "test_no_name_attribute_template_photo_or_key_stands_in_any_stored_byte"
)
MOVED = by_test("unit/keys/test_envelope", "test_a_value_that_was_moved_does_not_open")
ALTERED = by_test("unit/keys/test_envelope", "test_a_value_with_any_byte_altered_or_cut_off_does_not_open")
NO_SOCKET = by_test("flows/test_sandbox_denials", "test_no_socket_can_be_made")
NO_FILE = by_test("flows/test_sandbox_denials", "test_no_file_can_be_read")
NOTHING_LEAVES = by_test("flows/test_nothing_leaves", "test_the_service_attempts_no_connection")
NOTHING_KEPT = by_test("flows/test_nothing_is_kept", "test_nothing_of_names_or_media_is_written_by_any_endpoint")
CRASH = by_test("flows/test_recognition_crash", "test_whoever_dies_leaves_the_old_or_the_new_state_and_nothing_else")
OVERWRITTEN = by_test("unit/storage/test_storage_deleted", "test_the_bytes_of_what_is_deleted_are_overwritten")
HELD = by_test(GOVERNANCE, "test_nothing_of_a_held_person_can_be_deleted_until_the_hold_is_released")
OVERDUE = by_test(GOVERNANCE, "test_a_match_is_an_interaction_and_a_failed_verification_is_none")
SWEEP = by_test(SWEEPS, "test_a_sweep_erases_who_is_over_their_time_and_nobody_else")
CLOCK = by_test(REGISTER, "test_the_clock_of_72_hours_runs_from_when_it_was_noticed")
AFFECTED = by_test(GOVERNANCE, "test_the_affected_are_found_by_collection_time_and_key")
KEYS_APART = by_test("unit/keys/test_key_handler", "test_a_gallery_key_is_never_unwrapped_for_a_caller")
TAMPERED = by_test("contracts/test_ledger_contracts", "test_a_tampered_database_is_found_out")
FORKED = by_test("unit/ledger/test_witness", "test_a_fork_is_cried_out_with_evidence_that_proves_it")
CERTIFIED = by_test(
    "unit/use_cases/test_rights_erasure", "test_an_erased_person_is_in_no_store_and_the_certificate_says_so"
)
DRILLED = by_test("flows/test_erasure_drill", "test_a_sound_deployment_holds_nothing_of_whom_it_erased")
SHREDDED = by_test(
    "flows/test_backups_shredded",
    "test_a_backup_from_before_an_erasure_opens_until_the_scheduled_change_and_never_after",
)
ACCESS = by_test("doors/test_rights_flow", "test_access_hands_out_everything_that_is_kept_and_nothing_of_others")
RECTIFIED = by_test("doors/test_rights_flow", "test_rectification_puts_words_right_and_a_wrong_face_with_a_receipt")
STOPPED = by_test(
    "doors/test_rights_flow", "test_restriction_and_objection_stop_at_once_and_are_lifted_with_a_recorded_reason"
)
MONTH = by_test("doors/test_rights_flow", "test_the_clock_runs_a_month_and_two_more_with_a_reason")
CONFIRMED = by_test("unit/use_cases/test_review", "test_a_search_names_nobody_until_a_person_has_confirmed")
TWO = by_test(
    "unit/use_cases/test_review",
    "test_remote_identification_needs_an_approval_and_two_persons_whatever_the_purpose_says",
)
PROHIBITED = by_test("unit/core/test_policy", "test_no_policy_whatsoever_allows_a_prohibited_use")
DESTROYED = by_test(
    "contracts/test_key_service_contracts",
    "test_a_destroyed_master_key_opens_nothing_here_elsewhere_and_after_a_restart",
)
