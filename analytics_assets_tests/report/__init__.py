"""The report: what it reads from the warehouse, and the page that it becomes."""
