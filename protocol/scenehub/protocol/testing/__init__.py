"""Public helpers for testing what is built on the protocol: the store's memory twin and the simulator."""
