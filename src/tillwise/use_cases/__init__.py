"""TODO-use_cases"""
