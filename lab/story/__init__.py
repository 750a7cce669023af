"""The story of `make run`: heal a node, rehearse a plan, fail it over and bring it home, each step with its proof."""
