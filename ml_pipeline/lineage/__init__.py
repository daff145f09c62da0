"""What became of the models of a use case: which is which, how they differ, who made them champion, made again."""
