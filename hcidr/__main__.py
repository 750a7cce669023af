"""`python -m hcidr` is `hcidr`."""

from hcidr.main import main

main()
