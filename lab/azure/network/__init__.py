"""Microsoft.Network: virtual networks, their peerings, network interfaces and public addresses."""
