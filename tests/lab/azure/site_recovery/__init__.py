"""Tests of Site Recovery in the simulated Azure, over HTTP with Azure's own SDK."""
