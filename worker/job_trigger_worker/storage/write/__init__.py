"""What changes rows: the parts of a batch's transaction, and what people change."""
