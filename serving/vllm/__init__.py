"""vLLM server processes: how they are launched, watched and ended."""
