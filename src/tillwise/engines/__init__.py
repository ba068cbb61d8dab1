"""Analytic engines over Parquet segments, one file per technology."""
