// Flows that always have bytes on their way, or nearly: a window full every 100 ms, each byte compared with what was sent.
package main

import (
	"bytes"
	"fmt"
	"time"
)

const (
	window = 64 * 1024
	chunk  = 16 * 1024
	// Not as fast as it goes: that would be a load of its own, and what requests wait for it.
	refill = 100 * time.Millisecond
)

// pattern repeats after a window, and goes on for as much as is sent or compared at once.
var pattern = func() []byte {
	all := make([]byte, 2*window)
	for position := range all {
		i := position % window
		all[position] = byte(i*7 + (i>>8)*13)
	}
	return all
}()

func (f *flow) bulk() error {
	if err := f.open("tcp"); err != nil {
		return err
	}
	f.mutex.Lock()
	f.waiting = false
	f.mutex.Unlock()
	go func() { f.close(f.compare()) }()
	for {
		if _, err := f.conn.Write(f.reserve()); err != nil {
			return err
		}
		if f.isDrained() {
			return nil
		}
		time.Sleep(refill)
	}
}

// reserve what the window has room for, in whole chunks. It is counted as sent before its first bytes can come back. Its wait begins here, if
// nothing was on its way.
func (f *flow) reserve() []byte {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.over || !now().Before(f.end) {
		return nil
	}
	if f.sent == f.received {
		f.asked = now()
	}
	chunks := (window - (f.sent - f.received) + chunk - 1) / chunk
	offset, length := f.sent%window, chunks*chunk
	f.sent += length
	return pattern[offset : offset+length]
}

func (f *flow) isDrained() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.over || (f.sent == f.received && !now().Before(f.end))
}

func (f *flow) compare() error {
	buffer := make([]byte, window)
	for offset := 0; ; {
		length, err := f.conn.Read(buffer)
		if err != nil {
			return err
		}
		if !bytes.Equal(buffer[:length], pattern[offset:offset+length]) {
			return fmt.Errorf("wrong bytes at %d", f.received)
		}
		offset = (offset + length) % window
		f.took(length)
	}
}

func (f *flow) took(length int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.received += length
	f.count()
	f.asked = now()
}
