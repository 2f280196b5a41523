"""Process-level helpers that know neither MLflow nor Lightning: errors, retries, signals, secrets."""
