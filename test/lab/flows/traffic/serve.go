// The end that answers: every byte goes back as it came.
package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
)

const (
	answerPort = 7000
	orderPort  = 7001
	// A request is some 50 bytes, and there are hundreds of connections: only those that need it get more.
	smallestBuffer = 512
	largestBuffer  = 64 * 1024
	datagramBuffer = 64 * 1024
)

// serve answers until its input ends, where somebody holds that, and else for ever.
func serve(addresses []string) error {
	if len(addresses) == 0 {
		addresses = []string{"::"}
	}
	failed := make(chan error)
	if err := listen(answerPort, echo, failed); err != nil {
		return err
	}
	if err := listen(orderPort, new(ordered).take, failed); err != nil {
		return err
	}
	for _, address := range addresses {
		if err := answerDatagrams(address, failed); err != nil {
			return err
		}
	}
	fmt.Println("serving")
	if isTold() {
		go func() {
			os.Stdin.Read(make([]byte, 1))
			failed <- nil
		}()
	}
	return <-failed
}

// listen: of both families. Go listens with MPTCP, unless GODEBUG or the network namespace forbids it, and that stays: what moved pods speak to
// does so, too. No keepalive: an idle flow is to be silent.
func listen(port int, take func(net.Conn), failed chan<- error) error {
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	go func() { failed <- accept(listener, take) }()
	return nil
}

func accept(listener net.Listener, take func(net.Conn)) error {
	for {
		peer, err := listener.Accept()
		if err != nil {
			return err
		}
		go take(peer)
	}
}

// Not io.Copy, which would splice: a checkpoint should not find a flow's bytes in a pipe.
func echo(peer net.Conn) {
	defer peer.Close()
	buffer := make([]byte, smallestBuffer)
	for {
		length, err := peer.Read(buffer)
		if err != nil {
			return
		}
		if _, err := peer.Write(buffer[:length]); err != nil {
			return
		}
		if length == len(buffer) && length < largestBuffer {
			buffer = make([]byte, 2*length)
		}
	}
}

// answerDatagrams: on one address where there are several, as an answer must come from where the question went.
func answerDatagrams(address string, failed chan<- error) error {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, answerPort)))
	if err != nil {
		return err
	}
	go func() { failed <- echoDatagrams(socket) }()
	return nil
}

func echoDatagrams(socket *net.UDPConn) error {
	buffer := make([]byte, datagramBuffer)
	for {
		length, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		// One that cannot be sent is lost like any other.
		socket.WriteToUDPAddrPort(buffer[:length], peer)
	}
}
