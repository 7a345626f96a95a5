"""What people have changed about a job."""
