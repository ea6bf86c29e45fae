"""Between tasks: spawning, the current task, handles, joining."""
