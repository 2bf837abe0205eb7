// Both ends of the flows that a move must not disturb: one end answers, the other opens flows, compares every byte that comes back, and reports.
// Not in Python or JavaScript: one process that takes its turn through hundreds of flows after a freeze would measure itself.
//
//	serve [ADDRESS...]          answers on TCP and UDP 7000, takes orders on 7001
//	client SECONDS ORDERS       opens flows (a JSON list); reports when its input ends and they have
//	order ADDRESS ORDER         has `serve` at that address open flows, end them or only report: {"open": [...], "seconds": N}, {"stop": true}, {}
//
// A report is one line of JSON, one element a flow.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// Few threads, whatever the machine has: the pod that moves is frozen and copied with all of them.
const processors = 2

const usage = "expected `serve [ADDRESS...]`, `client SECONDS ORDERS` or `order ADDRESS ORDER`"

// Thousands of connections: Go itself raises the limit of open files as far as it may.
func main() {
	runtime.GOMAXPROCS(processors)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab-traffic:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "serve":
		return serve(args[1:])
	case len(args) == 3 && args[0] == "client":
		return runClient(args[1], args[2])
	case len(args) == 3 && args[0] == "order":
		return sendOrder(args[1], args[2])
	}
	return fmt.Errorf("%s, got %q", usage, args)
}

func runClient(secondsText, ordersText string) error {
	seconds, err := strconv.ParseFloat(secondsText, 64)
	if err != nil {
		return fmt.Errorf("reading the seconds: %w", err)
	}
	var orders []flowOrder
	if err := json.Unmarshal([]byte(ordersText), &orders); err != nil {
		return fmt.Errorf("reading the orders: %w", err)
	}
	return client(orders, seconds)
}

// isTold: somebody holds the other end of the input and will close it.
func isTold() bool {
	input, err := os.Stdin.Stat()
	return err == nil && input.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}
