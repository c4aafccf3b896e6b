"""The addresses of the first version of the API, one module per subject."""
