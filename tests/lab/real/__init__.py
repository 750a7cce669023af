"""The product on the durable host: the Python side of the bridge, and what is ended on purpose."""
