#!/usr/bin/env python3
"""Run the checker over the cases in `corpus/`, and print what it found: see `corpus/README.md`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from scripts.corpus_harness.command import main

    sys.exit(main())
