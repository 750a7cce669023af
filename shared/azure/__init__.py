"""The clients: everything that this product asks of Azure, over Microsoft's own SDKs."""
