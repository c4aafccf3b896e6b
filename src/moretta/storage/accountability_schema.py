"""All tables of accountability, by subject; importing it completes the service's metadata."""

from moretta.storage import (
    tables_consent,
    tables_governance,
    tables_ledger,
    tables_review,
    tables_rights,
    tables_subjects,
)

accountability_tables = (
    *tables_ledger.tables,
    *tables_consent.tables,
    *tables_rights.tables,
    *tables_governance.tables,
    *tables_review.tables,
    *tables_subjects.tables,
)
