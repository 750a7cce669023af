"""The lab: a simulated Azure and a local Functions host; never deployed."""
