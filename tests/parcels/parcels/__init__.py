"""Will a parcel be late? A use case small enough to run in a test, in a package of its own."""
