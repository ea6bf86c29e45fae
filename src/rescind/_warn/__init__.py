"""What a runtime warns of by itself: what is slow, held back, swallowed, or hangs."""
