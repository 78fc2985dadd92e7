"""``insights_report``: what the warehouse holds, as one page that opens offline."""
