"""One noun per component: each moves the data of its stage around one model."""
