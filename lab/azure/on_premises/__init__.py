"""What is on premises: the cluster's nodes with their Site Recovery agent, and the Hyper-V machines on them."""
