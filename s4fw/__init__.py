"""S4 Firewall: a hard spend cap and a runaway breaker in front of LLM traffic."""

__version__ = "0.1.0"
