"""TODO-releases"""
