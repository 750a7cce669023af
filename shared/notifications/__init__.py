"""Messages to people about turning points of runs: to whom they go, when, and what they say."""
