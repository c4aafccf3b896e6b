"""One region's consents and notices in SQL: `store` is the port; the other modules hold the SQL by subject."""
