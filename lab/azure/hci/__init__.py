"""Microsoft.AzureStackHCI: clusters, their Arc settings and the extensions meant for every node."""
