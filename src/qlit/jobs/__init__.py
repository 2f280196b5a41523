"""Trainings as things that can be parsed, found and run, and series of them."""
