"""A study file, read into a `Study`."""
