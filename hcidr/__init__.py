"""hcidr: the command line of HCI Site Recovery. It speaks to the app over HTTP, and to nothing else."""
