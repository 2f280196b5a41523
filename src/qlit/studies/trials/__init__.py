"""The trials of a study in Optuna's storage: queued, taken by workers, recovered, judged."""
