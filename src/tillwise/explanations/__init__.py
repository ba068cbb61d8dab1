"""TODO-explanations"""
