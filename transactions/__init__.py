"""What happened, and the way in: models, the law for a row, storing, loading, the transactions API."""
