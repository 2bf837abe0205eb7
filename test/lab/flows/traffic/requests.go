// Flows that ask and wait for the answer: on one connection, at its beginning and end only, or on a new connection each time.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// How much of a text is shown.
const shownBytes = 60

func (f *flow) request() error {
	if err := f.open("tcp"); err != nil {
		return err
	}
	for {
		if err := f.ask(); err != nil {
			return err
		}
		if f.hasEnded() {
			return nil
		}
		if err := f.rest(); err != nil {
			return err
		}
	}
}

func (f *flow) connects() error {
	for {
		if err := f.open("tcp"); err != nil {
			return err
		}
		if err := f.ask(); err != nil {
			return err
		}
		f.conn.Close()
		if f.hasEnded() {
			return nil
		}
		time.Sleep(f.untilNextTurn())
	}
}

func (f *flow) ask() error {
	f.prepare()
	if _, err := f.conn.Write(f.question); err != nil {
		return err
	}
	for len(f.answer) < len(f.question) {
		length, err := f.conn.Read(f.answer[len(f.answer):cap(f.answer)])
		if err != nil {
			return err
		}
		f.answer = f.answer[:len(f.answer)+length]
		if !bytes.HasPrefix(f.question, f.answer) {
			return fmt.Errorf("sent %q, got %q", shown(f.question), shown(f.answer))
		}
	}
	f.answered()
	return nil
}

// prepare the next question, different from all others, and room for more than its answer.
func (f *flow) prepare() {
	f.question = fmt.Appendf(f.question[:0], "%s %d %d\n", f.order.Kind, f.index, f.requests)
	f.answer = slices.Grow(f.answer[:0], 2*len(f.question))
}

// rest until the next question is due. Reads meanwhile: nothing is to come, neither bytes nor an end.
func (f *flow) rest() error {
	f.mutex.Lock()
	until := now().Add(f.untilNextTurn())
	if f.order.Mode == "idle" {
		until = f.end
	}
	f.conn.SetReadDeadline(until)
	f.mutex.Unlock()
	length, err := f.conn.Read(f.answer[:cap(f.answer)])
	if length > 0 {
		return fmt.Errorf("bytes that nobody asked for: %q", shown(f.answer[:length]))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	f.startWaiting()
	return f.conn.SetReadDeadline(time.Time{})
}

func shown(text []byte) []byte {
	return text[:min(len(text), shownBytes)]
}
