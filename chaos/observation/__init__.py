"""What a leader node of a run wrote down of itself: its applied log."""
