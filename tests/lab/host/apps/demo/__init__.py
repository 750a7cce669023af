"""One function of each kind."""
