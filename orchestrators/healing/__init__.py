"""The repair of a node, from its failed extension to the proof that it replicates again."""
