"""Recorded runs of the runbooks, which every later version of them must still be able to go on with."""
