"""What pytest's plugin loads to run tests in a runtime, or in the lab."""
