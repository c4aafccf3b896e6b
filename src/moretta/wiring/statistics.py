"""Anonymous statistics over a deployment's database, and their export as Parquet.

Belongs here: putting stores behind the use case; the one use of Parquet's library. Does not belong here: sums, watching.
"""

import io
from collections.abc import Iterable
from functools import partial

from sqlalchemy import Engine

from moretta.core.errors import ExtraMissing
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.storage.statistics.watchers import watched_alone
from moretta.use_cases.statistics import Statistics
from moretta.use_cases.statistics.export import COLUMNS, Row
from moretta.wiring.streams.watching import Stores


def statistics_over(engine: Engine, company_id: str) -> Statistics:
    """The statistics of one company's sites."""
    return Statistics(SqlReleaseStore(engine, company_id), SqlBudgetStore(engine, company_id))


def stores_of(engine: Engine, company_id: str) -> Stores:
    """Where a watched site's budgets and releases are kept."""
    alone = partial(watched_alone, engine, company_id)
    return Stores(SqlBudgetStore(engine, company_id), SqlReleaseStore(engine, company_id), alone)


def parquet(rows: Iterable[Row]) -> bytes:
    """The rows of an export as a Parquet file. Raises `ExtraMissing` where the extra `parquet` is not installed."""
    try:
        import pyarrow
        from pyarrow.parquet import write_table
    except ImportError:
        raise ExtraMissing("Parquet needs an extra: pip install 'moretta[parquet]', or export as CSV") from None
    kinds = [*[pyarrow.string()] * 6, pyarrow.float64(), *[pyarrow.int64()] * 3, *[pyarrow.float64()] * 2]
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    file = io.BytesIO()
    write_table(pyarrow.Table.from_arrays(arrays, names=list(COLUMNS)), file)
    return file.getvalue()
