"""Site Recovery for Hyper-V sites in the simulated Azure: vault contents, the life of protected items, and jobs."""
