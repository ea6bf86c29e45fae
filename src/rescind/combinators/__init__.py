"""The parent future: combinators that poll their children inside the parent's own task."""
