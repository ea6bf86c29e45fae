"""Each detector has a program that it must catch, and one, nearly the same, that it must not."""
