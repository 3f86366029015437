"""What is counted, and how the counts of many processes become one page."""
