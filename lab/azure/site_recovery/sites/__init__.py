"""What a Hyper-V site holds in its vault: the fabric, its providers, its policies and its machines."""
