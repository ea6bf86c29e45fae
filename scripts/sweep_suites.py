#!/usr/bin/env python3
"""Run the test suites of released libraries, plainly and with every await canceled.

`sweep_suites.py [SUITE…] [-- ARGUMENTS FOR PYTEST]`; see `corpus/suites.toml`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from scripts.corpus_harness.suites import main

    sys.exit(main())
