"""What the timer sees to, duty by duty."""
