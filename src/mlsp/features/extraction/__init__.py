"""Many photos -> one feature file: what is asked for, what that takes, the run.

settings  what is asked for
plan      the network and the layout that this takes
run       photos -> rows, resumable
"""
