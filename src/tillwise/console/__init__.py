"""TODO-console"""
