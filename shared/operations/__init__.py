"""Operations: their kinds and names, what they hold (leases) and what they owe (obligations)."""
