"""What operators do, rightly or wrongly."""
