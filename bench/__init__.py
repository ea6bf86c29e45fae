"""Benchmarks: rescind beside its peers, in one run on one machine.

`python -m bench --help` says how; docs/benchmarks.md how to read what comes out, and
docs/design/0050-how-we-measure.md why it is measured so.
"""
