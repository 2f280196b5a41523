"""Many runs looked at together: statistics and fair comparisons."""
