// Flows of datagrams, which may be lost: then they are asked for once more, as a resolver does, and counted.
package main

import (
	"bytes"
	"errors"
	"os"
	"time"
)

const (
	datagramPatience = time.Second
	// After a freeze the answer may be there and the time over, both: the answer counts.
	glance = 5 * time.Millisecond
)

func (f *flow) datagrams() error {
	if err := f.open("udp"); err != nil {
		return err
	}
	for {
		if err := f.askByDatagram(); err != nil {
			return err
		}
		f.answered()
		if f.hasEnded() {
			return nil
		}
		time.Sleep(f.untilNextTurn())
		f.startWaiting()
	}
}

func (f *flow) askByDatagram() error {
	f.prepare()
	for {
		// One that cannot be sent is lost like any other.
		f.conn.Write(f.question)
		err := f.hear(datagramPatience)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = f.hear(glance)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		f.mutex.Lock()
		f.retried++
		f.mutex.Unlock()
	}
}

// hear the answer; others are second ones to what was asked for twice.
func (f *flow) hear(patience time.Duration) error {
	f.conn.SetReadDeadline(now().Add(patience))
	for {
		length, err := f.conn.Read(f.answer[:cap(f.answer)])
		if err != nil {
			return err
		}
		if bytes.Equal(f.answer[:length], f.question) {
			return nil
		}
	}
}
