"""The pure core: futures, cancellation, tasks and the executor, without any event loop."""
