// Command writer applies over and over to the state at its argument until it is
// killed: in generation g it records all pods with the value g, from several
// goroutines, and says so on standard output as soon as a record is acknowledged.
// The second argument is the number of generations, 0 for no end.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

const pods = 12

func main() {
	generations, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	s := state.NewStore(local.New(os.Args[1]), state.Options{})
	for n := 0; generations == 0 || n < generations; n++ {
		if err := generation(s); err != nil {
			log.Fatal(err)
		}
	}
}

func generation(s *state.Store) error {
	ctx := context.Background()
	l, err := s.Lock(ctx, "apply", 0)
	if err != nil {
		return err
	}
	defer l.Unlock()
	base, err := l.Load(ctx)
	if err != nil {
		return err
	}
	g := 1
	for _, i := range base.State.Instances {
		n, err := strconv.Atoi(string(i.Value))
		if err != nil {
			return err
		}
		g = max(g, n+1)
	}
	j, err := l.Begin(ctx, base, state.Operation{Name: "apply", Plan: strconv.Itoa(g)})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, pods)
	for n := range pods {
		wg.Go(func() { errs <- record(j, n, g) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	if _, err := j.Close(ctx); err != nil {
		return err
	}
	fmt.Printf("closed %d\n", g)
	return nil
}

func record(j *state.Journal, pod, generation int) error {
	address := fmt.Sprintf("pod.web[%d]", pod)
	if err := j.Begin(address, "update"); err != nil {
		return err
	}
	i := &state.Instance{Address: address, Kind: "pod", Value: strconv.AppendInt(nil, int64(generation), 10)}
	if pod%2 == 0 {
		i.Sensitive = []string{""}
	}
	if err := j.Done(address, i); err != nil {
		return err
	}
	fmt.Printf("done %d %d\n", pod, generation)
	return nil
}
