"""TODO-engines"""
