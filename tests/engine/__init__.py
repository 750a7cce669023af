"""What runs rely on, written once and held on both engines: the local host's, and Microsoft's (`make real`)."""
