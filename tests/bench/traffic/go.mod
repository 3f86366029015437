module fallgate/bench/traffic

go 1.19
