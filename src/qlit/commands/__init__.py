"""The commands behind `qlit`, one module each."""
