"""The use case that online scoring is measured with: 20 numbers and 5 categories in, a probability and a word out."""
