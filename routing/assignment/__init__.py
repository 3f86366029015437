"""Which arm a unit gets: buckets, ranges, units."""
