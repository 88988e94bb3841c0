"""The proof: mutants that take a property away, and the matrix of who noticed."""
