"""`python -m qlit` is `qlit`."""

import sys

from qlit.cli import main

sys.exit(main())
