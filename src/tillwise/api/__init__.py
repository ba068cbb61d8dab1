"""TODO-api"""
