"""Sites: a cluster that is joined to a vault, as it is declared, and its nodes as Azure and their scripts show them."""
