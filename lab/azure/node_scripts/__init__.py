"""What the product's scripts do on a node of the model; each registers itself with the run commands."""
