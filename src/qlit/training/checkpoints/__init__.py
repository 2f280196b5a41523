"""Checkpoints: written whole, read intact, found again, gone on from."""
