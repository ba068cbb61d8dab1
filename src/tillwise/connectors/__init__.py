"""Files in and out: mapping files, imports, exports."""
