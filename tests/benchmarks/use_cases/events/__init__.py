"""The use case that the benchmarks measure the product with; its records are made up by the benchmarks."""
