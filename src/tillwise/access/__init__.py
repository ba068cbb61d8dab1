"""TODO-access"""
