"""Erasures, certificates, rights requests and notices in SQL; `erasures.SqlErasureStore` and `requests.SqlRightsStore`."""
