"""TODO-review"""
