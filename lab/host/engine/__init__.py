"""The durable engine: orchestrations, activities and entities on SQLite and the lab's clock."""
