"""What a request costs: dated prices and exact line items."""
