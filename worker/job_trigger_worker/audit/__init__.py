"""Proof that the count closes (promise 7): from the tables alone, or from the topics themselves."""
