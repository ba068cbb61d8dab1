"""TODO-jobs"""
