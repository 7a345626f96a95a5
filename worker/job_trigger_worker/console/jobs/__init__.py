"""Jobs: the list (R4), and in packages of their own one job and what people do with it."""
