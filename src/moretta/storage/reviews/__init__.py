"""What people decide about recognition, in SQL: proposed matches, approvals, policies that held."""
