"""The runbooks on a site: preflight, prepare, replication, verify."""
