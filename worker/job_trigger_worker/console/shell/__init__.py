"""The process around the features: application, server, errors, probes, the API's document."""
