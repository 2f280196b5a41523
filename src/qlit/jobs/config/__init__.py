"""Command lines, config files and the configs in checkpoints: read, checked, and refused in one sentence."""
