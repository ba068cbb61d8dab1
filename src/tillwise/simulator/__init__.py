"""TODO-simulator"""
