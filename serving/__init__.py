"""The models: upstream clients, their errors, the registry and lineage, vLLM processes and simulated upstreams."""
