"""What a runtime warns of by itself."""
