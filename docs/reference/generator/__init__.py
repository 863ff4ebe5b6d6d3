"""What writes docs/reference/protocol/ from the models; run by `docs/reference/generate.py`."""
