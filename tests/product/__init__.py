"""The whole product, as its users meet it: over HTTP, on the lab."""
