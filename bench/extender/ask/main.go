// Asks the extender as kube-scheduler does (Go's client, one kept connection, client certificate) and times filter + prioritize.
// Not in JavaScript: an asker that collects its own garbage within each hundred rounds would time that.
//
// Arguments: URL, folder with tls.crt, tls.key and ca.crt, rounds of warming up, rounds. Standard input: a JSON list of bodies.
// Standard output: {"coldMs": [...], "ms": [...]}, one number a round.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 5 {
		return fmt.Errorf("asking the extender: expected URL, TLS folder, rounds of warming up and rounds, got %d arguments", len(os.Args)-1)
	}
	warmUp, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	rounds, err := strconv.Atoi(os.Args[4])
	if err != nil {
		return err
	}
	var bodies []string
	if err := json.NewDecoder(os.Stdin).Decode(&bodies); err != nil {
		return err
	}
	client, err := clientOf(os.Args[2])
	if err != nil {
		return err
	}
	cold, err := times(client, os.Args[1], bodies, warmUp)
	if err != nil {
		return err
	}
	warm, err := times(client, os.Args[1], bodies, rounds)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string][]float64{"coldMs": cold, "ms": warm})
}

func clientOf(folder string) (*http.Client, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool}}}, nil
}

func times(client *http.Client, url string, bodies []string, rounds int) ([]float64, error) {
	var answer bytes.Buffer
	list := make([]float64, rounds)
	for round := range list {
		body := bodies[round%len(bodies)]
		from := time.Now()
		for _, path := range []string{"/filter", "/prioritize"} {
			if err := ask(client, url+path, body, &answer); err != nil {
				return nil, err
			}
		}
		list[round] = float64(time.Since(from).Microseconds()) / 1000
	}
	return list, nil
}

// Until the last byte has come; what it says is not the question here.
func ask(client *http.Client, url, body string, answer *bytes.Buffer) error {
	response, err := client.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer.Reset()
	if _, err := io.Copy(answer, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("measuring: the extender answered %s: %s", response.Status, answer.String())
	}
	return nil
}
