"""Facts about this deployment that it makes up once."""

from sqlalchemy import Engine, select

from moretta.core.usage import new_company_id
from moretta.storage.database import writing
from moretta.storage.schema import deployment

_COMPANY = "company_id"


def local_company_id(engine: Engine) -> str:
    """This deployment's own random company id, made up on first use and the same ever after.

    It stands in records until the settings name the id that a hub issued; records that carry it are never sent.
    """
    query = select(deployment.c.value).where(deployment.c.name == _COMPANY)
    with writing(engine) as connection:
        found = connection.execute(query).scalar_one_or_none()
        if found is None:
            found = new_company_id()
            connection.execute(deployment.insert().values(name=_COMPANY, value=found))
    return str(found)
