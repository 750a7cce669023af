"""`python -m cli` is `hcidr`."""

from cli.main import main

main()
