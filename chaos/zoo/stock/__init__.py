"""PySyncObj as it comes, and what it loses: for comparison, and for the zoo."""
