"""What is seen of data and predictions as days go by: profiles, drift, and performance once truth arrives."""
