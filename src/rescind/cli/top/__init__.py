"""`rescind top`: what the tasks of a running program do, live, in a terminal."""
