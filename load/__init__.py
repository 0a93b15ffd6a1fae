"""Load on the firewall: the benchmark against nginx."""
