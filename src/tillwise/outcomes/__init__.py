"""TODO-outcomes"""
