"""Protected items: their states, documents and recovery points, and how protection begins and ends."""
