// What the flows saw, as the TypeScript side reads it (`FlowReport` in flows.ts).
package main

import (
	"encoding/json"
	"io"
	"math"
	"time"
)

// gap: an answer that took long.
type gap struct {
	end    time.Time
	length time.Duration
}

// MarshalJSON: [end, length], of the epoch and in ms.
func (g gap) MarshalJSON() ([]byte, error) {
	return json.Marshal([]float64{math.Round(float64(g.end.UnixMicro())/100) / 10, milliseconds(g.length)})
}

type flowReport struct {
	Kind     string  `json:"kind"`
	Mode     string  `json:"mode"`
	Requests int     `json:"requests"`
	Bytes    int     `json:"bytes"`
	Retried  int     `json:"retried"`
	WorstMs  float64 `json:"worstMs"`
	Gaps     []gap   `json:"gaps"`
	Error    *string `json:"error"`
	Over     bool    `json:"over"`
}

func writeReports(to io.Writer, flows []*flow) error {
	reports := make([]flowReport, len(flows))
	for position, one := range flows {
		one.failIfStuck()
		reports[position] = one.report()
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(reports)
}

func (f *flow) report() flowReport {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return flowReport{
		Kind: f.order.Kind, Mode: f.order.Mode, Requests: f.requests, Bytes: f.received, Retried: f.retried,
		WorstMs: milliseconds(f.worst), Gaps: f.gaps[:len(f.gaps):len(f.gaps)], Error: f.failure, Over: f.over,
	}
}

// A wait is never told shorter than it was: one of less than 0.05 ms would be none.
func milliseconds(duration time.Duration) float64 {
	return math.Ceil(float64(duration)/float64(time.Millisecond)*10) / 10
}
