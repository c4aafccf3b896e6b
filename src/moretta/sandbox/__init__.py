"""The worker processes, and what the kernel denies them."""
