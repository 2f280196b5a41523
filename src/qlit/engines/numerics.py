"""Version of the numerics: runs made by different versions are never taken for one another.

Raise it with every change after which an equal config gives other numbers: of the rules by which data are read and
split, of encoders, circuits and engines, of the training loop, the scores or the choice of the best epoch. Differences
by rounding alone do not count. tests/training/test_numerics.py keeps reference numbers of the version.
"""

NUMERICS = 1
