package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// dialStdio joins standard input and output with a unix socket. The end of
// standard input closes the socket's writing side only; it ends when the other
// side has closed.
func dialStdio(ctx context.Context, args []string) error {
	f := flags("dial-stdio", nil)
	if err := parse(f, args, 1); err != nil {
		return err
	}
	if f.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "stowaged dial-stdio: the socket's path is missing")
		return errUsage
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", f.Arg(0))
	if err != nil {
		return err
	}
	defer conn.Close()
	return bridge(conn.(*net.UnixConn), os.Stdin, os.Stdout)
}

// bridge copies both ways until the socket's reading side ends.
func bridge(conn *net.UnixConn, in io.Reader, out io.Writer) error {
	go func() {
		if _, err := io.Copy(conn, in); err != nil {
			conn.Close() // the reader below ends with it
			return
		}
		conn.CloseWrite()
	}()
	_, err := io.Copy(out, conn)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
