// Command traffic is both ends of a measurement: `traffic upstream` answers as cheaply as it can, `traffic load` asks
// and checks what comes back. Both speak HTTP/1.1 over bare sockets, since net/http costs more than some of the
// gateways that stand between them.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "upstream":
		runUpstream(os.Args[2:])
	case "load":
		runLoad(os.Args[2:])
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: traffic upstream|load [-h]")
	os.Exit(2)
}
