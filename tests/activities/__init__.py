"""Activities, against a fake of a few lines and against the simulated Azure."""
