"""Short hashes of plain values."""

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """16 hex digits over a plain value, equal for equal ones; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
