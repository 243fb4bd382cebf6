"""Follows a prediction log into OpenSearch or Elasticsearch: each record at least once, and a retry makes no double."""
