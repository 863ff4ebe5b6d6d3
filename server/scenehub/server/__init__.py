"""The hub: shells around the pure protocol, the only code that awaits."""
