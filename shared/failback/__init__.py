"""Failback: the machines on premises, what stands in the way of their return, and what they leave in Azure."""
