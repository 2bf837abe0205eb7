package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"testing"
	"time"
)

// listening answers each connection with `take`; returns the port.
func listening(t *testing.T, take func(net.Conn)) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go accept(listener, take)
	return listener.Addr().(*net.TCPAddr).Port
}

func listeningForDatagrams(t *testing.T) (*net.UDPConn, int) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket, socket.LocalAddr().(*net.UDPAddr).Port
}

func orderOf(mode string, port, count int) flowOrder {
	return flowOrder{Kind: "here->there", Mode: mode, Address: "127.0.0.1", Port: port, Count: count, PeriodMs: 10}
}

// reportsOf flows that ran to their end.
func reportsOf(t *testing.T, order flowOrder, seconds float64) []flowReport {
	flows, running := openFlows([]flowOrder{order}, seconds)
	running.Wait()
	reports := []flowReport{}
	for _, one := range flows {
		reports = append(reports, one.report())
	}
	if len(reports) != order.Count {
		t.Fatalf("expected %d reports, got %d", order.Count, len(reports))
	}
	return reports
}

func failureOf(t *testing.T, mode string, port int) string {
	report := reportsOf(t, orderOf(mode, port, 1), 0.3)[0]
	if report.Error == nil || !report.Over {
		t.Fatalf("expected a failure, got %+v", report)
	}
	return *report.Error
}

func expectMatch(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("expected %q, got %q", pattern, text)
	}
}

func TestFlowsOfEachMode(t *testing.T) {
	port := listening(t, echo)
	socket, datagramPort := listeningForDatagrams(t)
	go echoDatagrams(socket)
	for mode, least := range map[string]int{"request": 5, "connects": 5, "bulk": 3, "datagrams": 5, "idle": 2} {
		t.Run(mode, func(t *testing.T) {
			order := orderOf(mode, port, 3)
			if mode == "datagrams" {
				order.Port = datagramPort
			}
			for _, report := range reportsOf(t, order, 0.4) {
				if report.Error != nil || !report.Over || report.Requests < least || report.Retried != 0 || report.WorstMs <= 0 {
					t.Errorf("got %+v", report)
				}
				if (report.Bytes > window) != (mode == "bulk") {
					t.Errorf("got %d bytes", report.Bytes)
				}
				if mode == "idle" && report.Requests != 2 {
					t.Errorf("expected a request at the beginning and one at the end, got %d", report.Requests)
				}
			}
		})
	}
}

func TestFlowsEndWhenTheyAreTold(t *testing.T) {
	port := listening(t, echo)
	flows, running := openFlows([]flowOrder{orderOf("request", port, 2), orderOf("idle", port, 2), orderOf("bulk", port, 2)}, 1800)
	time.Sleep(250 * time.Millisecond)
	finish(flows)
	running.Wait()
	for _, one := range flows {
		if report := one.report(); report.Error != nil || !report.Over || report.Requests < 2 {
			t.Errorf("got %+v", report)
		}
	}
}

func TestErrorsAreToldByNumber(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	told := failureOf(t, "request", refused.Addr().(*net.TCPAddr).Port)
	expectMatch(t, told, `^here->there 0: connect errno 111 after 0 requests at \d+\.\d{3}$`)

	resetting := func(peer net.Conn) {
		peer.Read(make([]byte, 100))
		peer.(*net.TCPConn).SetLinger(0)
		peer.Close()
	}
	expectMatch(t, failureOf(t, "request", listening(t, resetting)), `: errno 104 after 0 requests at`)

	closing := func(peer net.Conn) {
		peer.Read(make([]byte, 100))
		peer.Close()
	}
	expectMatch(t, failureOf(t, "idle", listening(t, closing)), `: closed by the other end after 0`)
}

func TestWrongBytesAreNoticed(t *testing.T) {
	wrong := func(peer net.Conn) {
		buffer := make([]byte, largestBuffer)
		length, _ := peer.Read(buffer)
		buffer[length-1] ^= 1
		peer.Write(buffer[:length])
		io.Copy(io.Discard, peer)
	}
	port := listening(t, wrong)
	expectMatch(t, failureOf(t, "request", port), `: sent "here->there 0 0\\n", got "here->there 0 0\\v" after 0`)
	expectMatch(t, failureOf(t, "bulk", port), `: wrong bytes at \d+ after`)
}

func TestBytesThatNobodyAskedForAreNoticed(t *testing.T) {
	talkative := func(peer net.Conn) {
		buffer := make([]byte, largestBuffer)
		length, _ := peer.Read(buffer)
		peer.Write(buffer[:length])
		time.Sleep(30 * time.Millisecond)
		peer.Write([]byte("more"))
		io.Copy(io.Discard, peer)
	}
	expectMatch(t, failureOf(t, "idle", listening(t, talkative)), `: bytes that nobody asked for: "more" after 1`)
}

func TestDatagramsAreAskedForAgain(t *testing.T) {
	socket, port := listeningForDatagrams(t)
	go func() {
		buffer := make([]byte, 100)
		socket.Read(buffer)
		for {
			length, peer, err := socket.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			// A second answer is nobody's.
			socket.WriteToUDPAddrPort(buffer[:length], peer)
			socket.WriteToUDPAddrPort(buffer[:length], peer)
		}
	}()
	report := reportsOf(t, orderOf("datagrams", port, 1), 1.2)[0]
	if report.Error != nil || report.Retried != 1 || report.Requests < 2 || report.WorstMs < 1000 {
		t.Errorf("got %+v", report)
	}
}

func TestLongWaitsAreReported(t *testing.T) {
	slow := func(peer net.Conn) {
		time.Sleep(60 * time.Millisecond)
		echo(peer)
	}
	before := float64(time.Now().UnixMilli())
	reports, _ := json.Marshal(reportsOf(t, orderOf("connects", listening(t, slow), 1), 0.05))
	var list []struct {
		Gaps    [][2]float64
		WorstMs float64
	}
	if err := json.Unmarshal(reports, &list); err != nil || len(list[0].Gaps) != 1 {
		t.Fatalf("expected one gap, got %s", reports)
	}
	end, length := list[0].Gaps[0][0], list[0].Gaps[0][1]
	if length < 60 || length > 1000 || length != list[0].WorstMs || end < before+length-1 || end > before+2000 {
		t.Errorf("got %s", reports)
	}
}

func TestAFlowWithoutAnswersIsStuck(t *testing.T) {
	silent := listening(t, func(peer net.Conn) { io.Copy(io.Discard, peer) })
	flows, running := openFlows([]flowOrder{orderOf("request", silent, 1)}, 1800)
	time.Sleep(50 * time.Millisecond)
	flows[0].mutex.Lock()
	flows[0].asked = now().Add(-stuckAfter - time.Second)
	flows[0].mutex.Unlock()
	flows[0].failIfStuck()
	running.Wait()
	expectMatch(t, *flows[0].report().Error, `: no answer for 16 s after 0`)
}

func TestOrdersFromAfar(t *testing.T) {
	port := listening(t, echo)
	orders := listening(t, new(ordered).take)
	ask := func(order string) string {
		peer, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", orders))
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		fmt.Fprintln(peer, order)
		line, _ := bufio.NewReader(peer).ReadString('\n')
		return line
	}
	open := `{"open": [{"kind": "a->b", "mode": "idle", "address": "127.0.0.1", "port": %d, "count": 1, "periodMs": 10}], "seconds": 60}`
	expectMatch(t, ask(fmt.Sprintf(open, port)), `^\[\{"kind":"a->b","mode":"idle","requests":0,.*"over":false\}\]\n$`)
	time.Sleep(50 * time.Millisecond)
	ask(`{"stop": true}`)
	time.Sleep(50 * time.Millisecond)
	expected := `^\[\{"kind":"a->b","mode":"idle","requests":2,"bytes":0,"retried":0,"worstMs":[\d.]+,"gaps":\[.*\],"error":null,"over":true\}\]\n$`
	expectMatch(t, ask(`{}`), expected)
}
