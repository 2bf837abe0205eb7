// One flow: its life from the opening to the report, whatever it does in between.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	gapsFrom   = 25 * time.Millisecond
	mostGaps   = 500
	stuckAfter = 15 * time.Second
)

type flowOrder struct {
	Kind     string
	Mode     string
	Address  string
	Port     int
	Count    int
	PeriodMs float64
}

var modes = map[string]func(*flow) error{
	"request":   (*flow).request,
	"idle":      (*flow).request,
	"connects":  (*flow).connects,
	"bulk":      (*flow).bulk,
	"datagrams": (*flow).datagrams,
}

type flow struct {
	order  flowOrder
	index  int
	period time.Duration
	// Of the goroutine that runs it.
	question, answer []byte
	began            time.Time

	// Guards the rest: who reports and who says that it is over are others.
	mutex sync.Mutex
	end   time.Time
	conn  net.Conn
	// An answer to what was asked then is due. Of a bulk flow: when bytes came last.
	waiting                           bool
	asked                             time.Time
	requests, sent, received, retried int
	worst                             time.Duration
	gaps                              []gap
	over                              bool
	failure                           *string
}

func newFlow(order flowOrder, index int, end time.Time) *flow {
	period := time.Duration(order.PeriodMs * float64(time.Millisecond))
	return &flow{order: order, index: index, period: period, end: end, waiting: true, asked: now(), gaps: []gap{}}
}

// Wall clock only: a pod that moves may come to a machine with another monotonic one.
func now() time.Time {
	return time.Now().Round(0)
}

func (f *flow) run() {
	mode, isKnown := modes[f.order.Mode]
	if !isKnown {
		f.close(fmt.Errorf("unknown mode %q", f.order.Mode))
		return
	}
	f.began = now()
	f.close(mode(f))
}

// untilNextTurn: each flow has its own times, so that those that waited together do not go on asking together.
func (f *flow) untilNextTurn() time.Duration {
	return f.period - now().Sub(f.began)%f.period
}

// open begins the wait for the first answer: the time of a connection counts to it.
// Plain TCP, not MPTCP, which nobody can checkpoint. No keepalive: an idle flow is to be silent.
func (f *flow) open(network string) error {
	f.startWaiting()
	dialer := net.Dialer{KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	conn, err := dialer.Dial(network, net.JoinHostPort(f.order.Address, strconv.Itoa(f.order.Port)))
	if err != nil {
		return fmt.Errorf("connect %s", reason(err))
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.conn = conn
	if f.over {
		return conn.Close()
	}
	return nil
}

func (f *flow) startWaiting() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.waiting, f.asked = true, now()
}

func (f *flow) answered() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.waiting = false
	f.count()
}

// count one answer and the gap before it; under the mutex.
func (f *flow) count() {
	f.requests++
	at := now()
	length := at.Sub(f.asked)
	f.worst = max(f.worst, length)
	if length > gapsFrom && len(f.gaps) < mostGaps {
		f.gaps = append(f.gaps, gap{at, length})
	}
}

func (f *flow) hasEnded() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.over || !now().Before(f.end)
}

// finish lets it end after its next answer; one that is idle asks for that now.
func (f *flow) finish() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if at := now(); at.Before(f.end) {
		f.end = at
	}
	if f.order.Mode == "idle" && f.conn != nil && !f.waiting {
		f.conn.SetReadDeadline(f.end)
	}
}

// close: what is said of it first is what counts.
func (f *flow) close(err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.over {
		return
	}
	f.over = true
	if f.conn != nil {
		f.conn.Close()
	}
	if err != nil {
		seconds := float64(now().UnixMicro()) / 1e6
		text := fmt.Sprintf("%s %d: %s after %d requests at %.3f", f.order.Kind, f.index, reason(err), f.requests, seconds)
		f.failure = &text
	}
}

// failIfStuck is asked when a report is made.
func (f *flow) failIfStuck() {
	f.mutex.Lock()
	waits := f.waiting || f.sent > f.received
	silent := now().Sub(f.asked)
	f.mutex.Unlock()
	if waits && silent > stuckAfter {
		f.close(fmt.Errorf("no answer for %d s", int(silent.Seconds())))
	}
}

// reason: errors of the system by number, as the tests look for them.
func reason(err error) string {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		return fmt.Sprintf("errno %d", int(number))
	case errors.Is(err, io.EOF):
		return "closed by the other end"
	}
	return err.Error()
}
