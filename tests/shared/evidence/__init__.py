"""The records of a run, their chain, and what must never be in them."""
