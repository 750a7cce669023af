"""Azure's clients: each reads or sends, and raises Transient or Refused."""
