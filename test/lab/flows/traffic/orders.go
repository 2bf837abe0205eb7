// Orders from afar: a pod opens flows of its own, ends them, and reports.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

const orderPatience = 10 * time.Second

// ordered has the flows of the last order.
type ordered struct {
	mutex sync.Mutex
	flows []*flow
}

// One line in, one line out.
func (o *ordered) take(peer net.Conn) {
	defer peer.Close()
	line, err := bufio.NewReader(peer).ReadBytes('\n')
	if err != nil {
		return
	}
	var order struct {
		Open    []flowOrder
		Seconds float64
		Stop    bool
	}
	if err := json.Unmarshal(line, &order); err != nil {
		fmt.Fprintf(peer, "reading an order: %v\n", err)
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if order.Open != nil {
		o.flows, _ = openFlows(order.Open, order.Seconds)
	}
	if order.Stop {
		finish(o.flows)
	}
	peer.SetWriteDeadline(time.Now().Add(orderPatience))
	writeReports(peer, o.flows)
}

func sendOrder(address, text string) error {
	peer, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(orderPort)), orderPatience)
	if err != nil {
		return err
	}
	defer peer.Close()
	peer.SetDeadline(time.Now().Add(orderPatience))
	if _, err := fmt.Fprintln(peer, text); err != nil {
		return err
	}
	answer, err := io.ReadAll(peer)
	fmt.Print(string(answer))
	return err
}
