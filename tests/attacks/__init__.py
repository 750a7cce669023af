"""People who wish the product ill, and what they have tried."""
