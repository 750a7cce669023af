"""The simulator itself: its state, clock and agenda; what a request is; faults, the ledger and token buckets."""
