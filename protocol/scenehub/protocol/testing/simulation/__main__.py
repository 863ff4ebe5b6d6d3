"""`python -m scenehub.protocol.testing.simulation --seed 123 --trace`: run one seed again and read what happened."""

from __future__ import annotations

import argparse
import sys

from .deployment import simulate


def main() -> int:
    """Run one seed; the exit code says whether every promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trace", action="store_true", help="print everything that happened, not the end alone")
    parser.add_argument("--last", type=int, default=60, help="how many lines of the end to print")
    wanted = parser.parse_args()
    run = simulate(wanted.seed, kept=None if wanted.trace else 600)
    lines = run.transcript if wanted.trace else run.transcript[-wanted.last :]
    out = sys.stdout.write
    out(f"{run.climate}\n\n")
    out("\n".join(lines) + "\n" if lines else "")
    words = run.broken or f"every promise held: {run.edits} edits, {run.commits} commits, {run.seconds:.0f} s"
    out(f"\nseed {run.seed}: {words}\n")
    return 1 if run.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
