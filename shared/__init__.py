"""What every room may use: messages, errors, settings, and the pure decisions of the product."""
