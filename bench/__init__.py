"""Benchmarks: each module but these has a function `figures()`; `make bench` runs them all."""
