"""Row stores, one file per technology; all pass the same contract tests."""
