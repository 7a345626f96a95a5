"""What tests are run on: real services, fresh for each test."""
