"""Runs checkers over the cases in `corpus/`, each in environments with the case's own pins.

`cases` reads what there is; `environments` makes virtual environments; `servers` starts what a case
talks to; `checker` runs `rescind check` and is the one place that knows what its report looks like;
`verdicts` decides whether a run is as it should be; `table` prints; `command` is the command line.
Nothing but the standard library is needed.
"""
