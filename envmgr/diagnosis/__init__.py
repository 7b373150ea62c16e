"""Evidence in, diagnosis out: recognises what is wrong and tells causes from consequences; it asks nobody anything."""
