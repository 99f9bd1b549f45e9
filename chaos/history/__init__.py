"""What a run on real processes leaves behind: records, their files, and queries."""
