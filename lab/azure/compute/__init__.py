"""Microsoft.Compute: the virtual machines that failovers make, their run commands, and the quota."""
