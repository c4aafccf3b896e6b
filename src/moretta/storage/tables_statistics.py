"""Tables of anonymous statistics. What a column means is said here, once.

Only what was released stands here: numbers to which noise was added before they left the memory of the watching process.
Nothing can be joined to a person, and nothing is erased on request, because nothing is about anybody that could be found.
"""

from sqlalchemy import Column, Double, Index, Integer, PrimaryKeyConstraint, String, Table

from moretta.storage.schema import service_metadata

# Ids sort by their bytes on every server, so that paging goes the same way everywhere.
_id = String().with_variant(String(collation="C"), "postgresql")

# What may be spent on any one visit of a site's day: set by the day's first charge, later only lowered.
privacy_budgets = Table(
    "privacy_budgets",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("site", String, nullable=False),
    Column("day", String, nullable=False),  # YYYY-MM-DD, the site's own date
    Column("epsilon_limit", Double, nullable=False),
    PrimaryKeyConstraint("company_id", "site", "day"),
)

# What was spent, before the noise was drawn; rows are only ever added. `partition`: on which visits, empty for all of the day.
privacy_charges = Table(
    "privacy_charges",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("site", String, nullable=False),
    Column("day", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("partition", String, nullable=False),
    Column("epsilon", Double, nullable=False),
    Column("purpose", String, nullable=False),
    Column("charged_at", String, nullable=False),
    PrimaryKeyConstraint("company_id", "site", "day", "position"),
)

# One measure of one release: the noisy tables of all its places, as JSON. A release of several measures is several rows.
statistics_releases = Table(
    "statistics_releases",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("release_id", _id, nullable=False),
    Column("measure", String, nullable=False),  # empty where a release has no table at all
    Column("site", String, nullable=False),
    Column("day", String, nullable=False),
    Column("bucket", String, nullable=False),
    Column("bucket_s", Integer, nullable=False),
    Column("partition", String, nullable=False),
    Column("mechanism", String, nullable=False),
    Column("epsilon", Double, nullable=False),
    Column("covered_s", Double, nullable=False),
    Column("least_cell", Double, nullable=False),
    Column("tables", String, nullable=False),
    PrimaryKeyConstraint("company_id", "release_id", "measure"),
)
Index(
    "statistics_releases_of_site",
    statistics_releases.c.company_id,
    statistics_releases.c.site,
    statistics_releases.c.measure,
    statistics_releases.c.bucket,
)

# The live counters of a watching session as last released, each replacing the one before.
statistics_live = Table(
    "statistics_live",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("site", String, nullable=False),
    Column("partition", String, nullable=False),
    Column("day", String, nullable=False),
    Column("time", String, nullable=False),
    Column("tables", String, nullable=False),
    PrimaryKeyConstraint("company_id", "site", "partition", "day"),
)

# When a released figure went over what the operator set.
statistics_alarms = Table(
    "statistics_alarms",
    service_metadata,
    Column("company_id", String, nullable=False),
    Column("site", String, nullable=False),
    Column("time", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("place", String, nullable=False),
    Column("value", Integer, nullable=False),
    Column("threshold", Double, nullable=False),
    PrimaryKeyConstraint("company_id", "site", "time", "kind", "place"),
)

tables: tuple[Table, ...] = (privacy_budgets, privacy_charges, statistics_releases, statistics_live, statistics_alarms)
