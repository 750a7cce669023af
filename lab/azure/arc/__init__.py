"""Microsoft.HybridCompute: Arc machines, their extensions and their run commands."""
