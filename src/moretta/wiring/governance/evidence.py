"""The rows of the evidence map: what a law or standard asks, what enforces it here, what shows that, what remains.

Belongs here: data. A test checks that every module, test, document and kind of log entry that is named exists.
Does not belong here: statements that a deployment meets a law: the software gives evidence, people assess it.

Sources: Regulation (EU) 2016/679 (GDPR); 45 CFR 164.308-164.316 (HIPAA Security Rule); ISO/IEC 27001:2022, Annex A; California
Civil Code 1798.100-1798.199.100 (CCPA). The second column says in our words what the source asks; the source itself decides.
"""

from moretta.core.governance import EvidenceRow, Shown, ShownBy
from moretta.core.ledger import EntryKind

GDPR, HIPAA, ISO, CCPA = (
    "GDPR (Regulation (EU) 2016/679)",
    "HIPAA Security Rule, technical and administrative safeguards (45 CFR 164)",
    "ISO/IEC 27001:2022, Annex A",
    "CCPA, as amended (California Civil Code)",
)
FRAMEWORKS = (GDPR, HIPAA, ISO, CCPA)


def _test(path: str, name: str) -> Shown:
    return Shown(ShownBy.TEST, f"tests/{path}.py::{name}")


def _log(kind: EntryKind) -> Shown:
    return Shown(ShownBy.LOG, kind.value)


def _document(path: str) -> Shown:
    return Shown(ShownBy.DOCUMENT, f"docs/{path}")


def _command(text: str) -> Shown:
    return Shown(ShownBy.COMMAND, f"moretta {text}")


def _row(
    framework: str, reference: str, asks: str, enforced: str, shown: tuple[Shown, ...], remains: str
) -> EvidenceRow:
    return EvidenceRow(framework, reference, asks, tuple(enforced.split()), shown, remains)


_GOVERNANCE = "contracts/test_governance_store_contracts"
_CONSENTS = "contracts/test_consent_store_contracts"
_GIVING, _ENDING = "unit/use_cases/test_consent_giving", "unit/use_cases/test_consent_ending"
_SWEEPS = "unit/use_cases/test_retention_sweep"
_REGISTER = "unit/use_cases/test_incidents"
_DOCUMENTS = "unit/wiring/test_governance_documents"

# Evidence that several rows rest on.
_SEALED = _test(
    "contracts/test_storage_no_plaintext", "test_no_name_attribute_template_photo_or_key_stands_in_any_stored_byte"
)
_MOVED = _test("unit/keys/test_envelope", "test_a_value_that_was_moved_does_not_open")
_ALTERED = _test("unit/keys/test_envelope", "test_a_value_with_any_byte_altered_or_cut_off_does_not_open")
_NO_SOCKET = _test("flows/test_sandbox_denials", "test_no_socket_can_be_made")
_NO_FILE = _test("flows/test_sandbox_denials", "test_no_file_can_be_read")
_NOTHING_LEAVES = _test("flows/test_nothing_leaves", "test_the_service_attempts_no_connection")
_NOTHING_KEPT = _test("flows/test_nothing_is_kept", "test_nothing_of_names_or_media_is_written_by_any_endpoint")
_CRASH = _test("flows/test_recognition_crash", "test_whoever_dies_leaves_the_old_or_the_new_state_and_nothing_else")
_OVERWRITTEN = _test("unit/storage/test_storage_deleted", "test_the_bytes_of_what_is_deleted_are_overwritten")
_HELD = _test(_GOVERNANCE, "test_nothing_of_a_held_person_can_be_deleted_until_the_hold_is_released")
_OVERDUE = _test(_GOVERNANCE, "test_a_match_is_an_interaction_and_a_failed_verification_is_none")
_SWEEP = _test(_SWEEPS, "test_a_sweep_erases_who_is_over_their_time_and_nobody_else")
_CLOCK = _test(_REGISTER, "test_the_clock_of_72_hours_runs_from_when_it_was_noticed")
_AFFECTED = _test(_GOVERNANCE, "test_the_affected_are_found_by_collection_time_and_key")
_KEYS_APART = _test("unit/keys/test_key_handler", "test_a_gallery_key_is_never_unwrapped_for_a_caller")
_DESTROYED = _test(
    "contracts/test_key_service_contracts",
    "test_a_destroyed_master_key_opens_nothing_here_elsewhere_and_after_a_restart",
)

EVIDENCE: tuple[EvidenceRow, ...] = (
    _row(
        GDPR,
        "Art. 5(1)(b)",
        "data are used for the purpose they were collected for",
        "moretta.core.policy moretta.use_cases.guard",
        (
            _test(_CONSENTS, "test_another_valid_consent_carries_the_person_and_one_for_another_purpose_does_not"),
            _log(EntryKind.POLICY_CHANGED),
        ),
        "choosing purposes, and writing them into the policy",
    ),
    _row(
        GDPR,
        "Art. 5(1)(c)",
        "no more data than needed",
        "moretta.api.memfd moretta.sandbox.confinement",
        (_NOTHING_KEPT, _document("WHITEPAPER.md")),
        "whether recognition is needed at all",
    ),
    _row(
        GDPR,
        "Art. 5(1)(e)",
        "data are kept no longer than needed",
        "moretta.core.retention moretta.use_cases.retention.sweep",
        (_SWEEP, _OVERDUE, _log(EntryKind.RETENTION), _command("retention sweep --dry-run")),
        "setting retention periods that fit the purpose",
    ),
    _row(
        GDPR,
        "Art. 5(2), 24",
        "the controller can show what was done",
        "moretta.core.ledger moretta.storage.ledger.appending",
        (_log(EntryKind.SEARCHED), _log(EntryKind.ENROLLED), _command("governance evidence")),
        "keeping checkpoints with an independent witness",
    ),
    _row(
        GDPR,
        "Art. 6, 9(2)",
        "a lawful basis, and a condition for special categories, before anybody is enrolled",
        "moretta.core.purposes moretta.core.policy",
        (_test(_GIVING, "test_nobody_is_asked_to_consent_to_what_the_policy_forbids"), _command("governance ropa")),
        "whether the basis holds",
    ),
    _row(
        GDPR,
        "Art. 7(1)",
        "consent can be demonstrated",
        "moretta.use_cases.consent.give moretta.core.consent_receipts",
        (
            _test(_GIVING, "test_the_log_commits_to_subject_and_document_and_names_neither"),
            _test(
                "unit/use_cases/test_consent_receipts",
                "test_a_receipt_of_each_way_to_consent_verifies_with_the_public_key_alone",
            ),
            _log(EntryKind.CONSENT_GIVEN),
        ),
        "asking freely, with another way for people who say no",
    ),
    _row(
        GDPR,
        "Art. 7(3)",
        "withdrawing is as easy as giving",
        "moretta.use_cases.consent.end",
        (_test(_ENDING, "test_one_call_withdraws_and_erases"), _log(EntryKind.CONSENT_WITHDRAWN)),
        "telling people where",
    ),
    _row(
        GDPR,
        "Art. 8",
        "children's consent is given by guardians",
        "moretta.core.policy",
        (_test(_GIVING, "test_a_minor_needs_a_guardian_and_an_unknown_age_is_refused_where_the_policy_asks"),),
        "finding out the age",
    ),
    _row(
        GDPR,
        "Art. 13, 14",
        "people are told before their data are used",
        "moretta.wiring.governance.sign moretta.wiring.governance.documents",
        (
            _test(_DOCUMENTS, "test_the_code_of_the_sign_leads_to_the_notice"),
            _test(_DOCUMENTS, "test_the_page_of_a_notice_tells_what_is_configured"),
            _log(EntryKind.NOTICE_CHANGED),
        ),
        "hanging the sign where people see it before the camera sees them",
    ),
    _row(
        GDPR,
        "Art. 17",
        "erasure without undue delay",
        "moretta.core.erasure moretta.storage.recognition.persons",
        (_CRASH, _OVERWRITTEN, _log(EntryKind.ERASED)),
        "backups that were made outside of the software",
    ),
    _row(
        GDPR,
        "Art. 17(3)(e), 18",
        "data that are needed for legal claims are kept and not used",
        "moretta.storage.governance.holding moretta.use_cases.retention.holds",
        (_HELD, _log(EntryKind.HELD), _log(EntryKind.RESTRICTED)),
        "placing and releasing holds for good reasons",
    ),
    _row(
        GDPR,
        "Art. 25",
        "protection by design and by default",
        "moretta.core.key_service moretta.keys.envelope",
        (_SEALED, _NOTHING_LEAVES, _document("THREAT_MODEL.md")),
        "choosing where keys are held",
    ),
    _row(
        GDPR,
        "Art. 30",
        "records of processing activities",
        "moretta.wiring.governance.collecting",
        (
            _test(_DOCUMENTS, "test_the_records_tell_of_what_is_configured_and_change_with_it"),
            _command("governance ropa"),
        ),
        "what the records list as missing",
    ),
    _row(
        GDPR,
        "Art. 32(1)(a)",
        "encryption and pseudonymisation",
        "moretta.keys.envelope moretta.protection.schemes",
        (_SEALED, _MOVED, _ALTERED, _document("THREAT_MODEL.md")),
        "keys on another machine than the data",
    ),
    _row(
        GDPR,
        "Art. 33, 34",
        "breaches are recorded, and told within 72 hours and to the people",
        "moretta.core.incidents moretta.use_cases.incidents.facade",
        (_CLOCK, _AFFECTED, _log(EntryKind.BREACH), _command("incidents list")),
        "noticing, assessing, and sending the notices",
    ),
    _row(
        GDPR,
        "Art. 35",
        "an impact assessment before risky processing",
        "moretta.wiring.governance.documents",
        (_test(_DOCUMENTS, "test_the_assessment_tells_measured_rates_and_what_is_missing"), _log(EntryKind.APPROVED)),
        "necessity, the views of people, the decision",
    ),
    _row(
        GDPR,
        "Art. 44-49",
        "no transfer to where it is not allowed",
        "moretta.wiring.pinning",
        (_test(_DOCUMENTS, "test_the_records_tell_where_data_is_without_an_address"), _document("how-to/regions.md")),
        "in which country each region is",
    ),
    _row(
        HIPAA,
        "164.308(a)(1)(ii)(D)",
        "records of activity are reviewed",
        "moretta.core.audit moretta.storage.ledger.audit",
        (_log(EntryKind.SEARCHED), _log(EntryKind.PHOTO_VIEWED)),
        "reviewing them",
    ),
    _row(
        HIPAA,
        "164.308(a)(6)",
        "security incidents are recorded and answered",
        "moretta.use_cases.incidents.facade",
        (_test(_REGISTER, "test_every_change_is_a_revision_and_an_entry_of_the_log"), _log(EntryKind.BREACH)),
        "procedures for answering",
    ),
    _row(
        HIPAA,
        "164.310(d)(2)(i)",
        "media are disposed of so that nothing can be read",
        "moretta.storage.recognition.persons moretta.keys.file",
        (_OVERWRITTEN, _DESTROYED),
        "disks and backups",
    ),
    _row(
        HIPAA,
        "164.312(a)(1)",
        "only who was given access has it",
        "moretta.core.keys moretta.api.auth",
        (
            _test("doors/test_api_people_access", "test_each_call_needs_its_scope"),
            _document("how-to/service.md"),
        ),
        "giving keys to the right people",
    ),
    _row(
        HIPAA,
        "164.312(a)(2)(iv)",
        "encryption at rest",
        "moretta.keys.envelope",
        (_SEALED, _KEYS_APART),
        "encrypting disks and swap",
    ),
    _row(
        HIPAA,
        "164.312(b)",
        "audit controls",
        "moretta.core.ledger moretta.core.audit",
        (_log(EntryKind.SEARCHED), _log(EntryKind.VERIFIED), _log(EntryKind.EXPORTED)),
        "keeping what proves it for as long as needed",
    ),
    _row(
        HIPAA,
        "164.312(c)(1)",
        "data are not altered unseen",
        "moretta.keys.envelope moretta.core.merkle",
        (_ALTERED, _MOVED),
        "restoring from backups",
    ),
    _row(
        HIPAA,
        "164.312(e)(1)",
        "protection in transit",
        "moretta.links.tls",
        (_test("unit/links/test_link_tls", "test_a_caller_with_a_certificate_of_another_authority_is_refused"),),
        "TLS in front of the service",
    ),
    _row(
        ISO,
        "A.5.12, A.5.34",
        "personal data are classified and protected",
        "moretta.wiring.whitepaper moretta.wiring.governance.collecting",
        (_document("WHITEPAPER.md"), _command("governance ropa")),
        "the classification of the operator's other data",
    ),
    _row(
        ISO,
        "A.5.15, A.8.3",
        "access is restricted",
        "moretta.core.keys moretta.use_cases.guard",
        (
            _test("doors/test_api_people_access", "test_each_call_needs_its_scope"),
            _log(EntryKind.POLICY_CHANGED),
        ),
        "access to the machine",
    ),
    _row(
        ISO,
        "A.5.24-A.5.28",
        "incidents are prepared for, assessed, answered, and evidence is kept",
        "moretta.core.incidents moretta.storage.governance.incidents",
        (
            _test(_GOVERNANCE, "test_an_incident_is_kept_whole_with_every_revision"),
            _log(EntryKind.BREACH),
        ),
        "people and procedures",
    ),
    _row(
        ISO,
        "A.5.33",
        "records are protected from loss and falsification",
        "moretta.storage.ledger.appending moretta.ledger.log",
        (_log(EntryKind.CONSENT_GIVEN), _log(EntryKind.ERASED)),
        "an independent witness",
    ),
    _row(
        ISO,
        "A.8.10",
        "information is deleted when no longer needed",
        "moretta.use_cases.retention.sweep",
        (_SWEEP, _test(_SWEEPS, "test_photos_go_before_their_templates"), _log(EntryKind.RETENTION)),
        "copies outside of the software",
    ),
    _row(
        ISO,
        "A.8.12",
        "data do not leak",
        "moretta.sandbox.confinement moretta.usage.report",
        (_NOTHING_LEAVES, _NO_SOCKET, _NO_FILE, _command("egress")),
        "what receives the answers",
    ),
    _row(
        ISO,
        "A.8.24",
        "cryptography and keys are managed",
        "moretta.keys.rotation moretta.keys.envelope",
        (
            _test(
                "unit/keys/test_master_key_rotation",
                "test_every_data_key_is_under_the_new_master_key_and_the_old_one_is_gone",
            ),
            _log(EntryKind.KEY_CHANGED),
        ),
        "who may change keys, and how often",
    ),
    _row(
        ISO,
        "A.8.31",
        "parts that are attacked are kept apart",
        "moretta.sandbox.confinement moretta.links.tls",
        (_NO_FILE, _NO_SOCKET, _document("adr/0001-sandbox.md")),
        "separate machines under separate administrators",
    ),
    _row(
        CCPA,
        "1798.100(a), (c)",
        "notice at collection; no longer and no more than necessary",
        "moretta.wiring.governance.sign moretta.core.retention",
        (_test(_DOCUMENTS, "test_the_code_of_the_sign_leads_to_the_notice"), _SWEEP),
        "where the notice is shown",
    ),
    _row(
        CCPA,
        "1798.105",
        "deletion on request",
        "moretta.core.erasure moretta.storage.recognition.persons",
        (_CRASH, _log(EntryKind.ERASED)),
        "service providers and recipients",
    ),
    _row(
        CCPA,
        "1798.106",
        "correction on request",
        "moretta.use_cases.recognition.persons",
        (_log(EntryKind.RECTIFIED),),
        "verifying who asks",
    ),
    _row(
        CCPA,
        "1798.120, 1798.121",
        "no sale, and limited use of sensitive data",
        "moretta.core.policy moretta.usage.report",
        (_NOTHING_LEAVES, _command("egress")),
        "what receives the answers",
    ),
    _row(
        CCPA,
        "1798.130(a)(2)",
        "requests are answered within a time",
        "moretta.core.rights",
        (_log(EntryKind.REQUEST),),
        "answering, and the shorter of the clocks that apply",
    ),
    _row(
        CCPA,
        "1798.150",
        "reasonable security, and encryption, of what could be stolen",
        "moretta.keys.envelope moretta.storage.governance.incidents",
        (_SEALED, _AFFECTED, _log(EntryKind.BREACH)),
        "keys on another machine than the data",
    ),
)
