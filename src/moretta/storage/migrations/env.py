"""What Alembic runs a migration in: the connection, and so the transaction, of whoever opens the database."""

from alembic import context

from moretta.storage.versions import schema_revision

context.configure(connection=context.config.attributes["connection"], version_table=schema_revision.name)
with context.begin_transaction():
    context.run_migrations()
