"""The custom roles of infra/roles: what each may do is what the product's clients ask for, and no more."""
