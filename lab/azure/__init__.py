"""The simulated Azure: ARM, Arc, Azure Stack HCI, Site Recovery and Event Grid over real HTTP on a simulated clock."""
