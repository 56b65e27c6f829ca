"""All SQL of the audit: ``checksum_queries`` reads whole databases, ``case_queries`` single cases."""
