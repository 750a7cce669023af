"""What must be so before a site can be prepared: the facts, and a rule for each prerequisite and known limit. Pure."""
