"""Function apps that the host runs in its tests."""
