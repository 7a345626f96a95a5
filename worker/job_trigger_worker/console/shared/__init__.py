"""What several features use: who asks, and how errors, filters and words are shown."""
