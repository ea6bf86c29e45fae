"""Faults that were found once, each as the smallest program that showed it."""
