// The end that opens flows: until it is told to finish, or for the given time.
package main

import (
	"io"
	"os"
	"sync"
	"time"
)

const (
	betweenOpenings = 3 * time.Millisecond
	// After those that are stuck have been found.
	reportPatience = stuckAfter + 3*time.Second
)

// client prints one report when all flows are over, or when those that are not will never be.
func client(orders []flowOrder, seconds float64) error {
	flows, running := openFlows(orders, seconds)
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	latest := now().Add(secondsOf(seconds) + reportPatience)
	told := endOfInput()
	for {
		select {
		case <-told:
			finish(flows)
			told = nil
			if soon := now().Add(reportPatience); soon.Before(latest) {
				latest = soon
			}
			continue
		case <-ended:
		case <-time.After(time.Until(latest)):
		}
		return writeReports(os.Stdout, flows)
	}
}

// openFlows returns at once; they begin one after the other, as all at once would be a load of its own.
func openFlows(orders []flowOrder, seconds float64) ([]*flow, *sync.WaitGroup) {
	end := now().Add(secondsOf(seconds))
	flows, running := []*flow{}, new(sync.WaitGroup)
	for _, order := range orders {
		for index := range order.Count {
			flows = append(flows, newFlow(order, index, end))
		}
	}
	for number, one := range flows {
		turn := one.period * time.Duration(number) / time.Duration(len(flows))
		running.Go(func() {
			time.Sleep(time.Duration(one.index+1)*betweenOpenings + turn)
			one.run()
		})
	}
	return flows, running
}

func finish(flows []*flow) {
	for _, one := range flows {
		one.finish()
	}
}

// Never, where nobody holds the other end.
func endOfInput() <-chan struct{} {
	if !isTold() {
		return nil
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	return ended
}

func secondsOf(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
