"""Tools of the repository: finding Python, making .venv, keeping the locks."""
