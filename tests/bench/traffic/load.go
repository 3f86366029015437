package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const answerTimeout = 60 * time.Second

// plan is what one run of the load does; the last fields are shared by its connections.
type plan struct {
	address     string
	connections int
	limit       int64 // requests, 0: until the time is up
	rate        float64
	users       int
	head        []byte // request up to the three digits and more of the user, see userAt
	userAt      int
	expect      *expectation
	begin, end  time.Time
	tickets     int64
}

// outcome is what one connection saw; times in milliseconds.
type outcome struct {
	latencies, firstBytes []float32
	bad                   int
	problem               string
	bytes                 int64
}

func runLoad(args []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	port := flags.Int("port", 0, "port of the gateway on 127.0.0.1")
	connections := flags.Int("connections", 32, "connections, each with one request in flight")
	seconds := flags.Float64("seconds", 3, "how long to ask")
	requests := flags.Int64("requests", 0, "stop after this many requests instead")
	rate := flags.Float64("rate", 0, "requests a second over all connections; 0: each as soon as the last is answered")
	stream := flags.Bool("stream", false, "ask for a stream")
	logprobs := flags.Bool("logprobs", false, "ask for log-probabilities, with two alternatives")
	model := flags.String("model", "bench", "the model to name")
	key := flags.String("key", "none", "the bearer token")
	users := flags.Int("users", 1000, "how many values x-user-id takes")
	tokens := flags.Int("tokens", 32, "the tokens that the upstream answers")
	loose := flags.Bool("loose", false, "check the text only, not the log-probabilities, usage and events around it")
	_ = flags.Parse(args)
	p := &plan{
		address: fmt.Sprintf("127.0.0.1:%d", *port), connections: *connections, limit: *requests, rate: *rate,
		users: *users, expect: newExpectation(*stream, *logprobs, *loose, *tokens),
	}
	p.head, p.userAt = requestBytes(*port, *key, requestBody(*model, *stream, *logprobs))
	p.begin = time.Now()
	p.end = p.begin.Add(time.Duration(*seconds * float64(time.Second)))
	outcomes := p.run()
	if summarize(outcomes, time.Since(p.begin)) > 0 {
		os.Exit(1)
	}
}

func requestBody(model string, stream, logprobs bool) []byte {
	const complaint = "My parcel was due on Monday and the tracking page has not moved since. Where is it? "
	question := strings.Repeat(complaint, 400/len(complaint)+1)[:400]
	body := map[string]any{
		"model":       model,
		"messages":    []any{map[string]any{"role": "user", "content": question}},
		"max_tokens":  64,
		"temperature": 0,
	}
	if stream {
		body["stream"] = true
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	if logprobs {
		body["logprobs"] = true
		body["top_logprobs"] = askedAlternatives
	}
	encoded, _ := json.Marshal(body)
	return encoded
}

// requestBytes is the whole request with room for a user of six digits, and where these stand.
func requestBytes(port int, key string, body []byte) ([]byte, int) {
	head := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %s\r\n"+
		"accept: */*\r\nuser-agent: traffic\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-user-id: user-",
		port, key, len(body))
	return append([]byte(head+"000000\r\n\r\n"), body...), len(head)
}

func (p *plan) run() []outcome {
	outcomes := make([]outcome, p.connections)
	var wait sync.WaitGroup
	for i := range outcomes {
		wait.Add(1)
		go func(o *outcome) {
			defer wait.Done()
			p.work(o)
		}(&outcomes[i])
	}
	wait.Wait()
	return outcomes
}

// next waits for the request's turn. A request that is late, since every connection was busy, counts from when it
// was due: a slow gateway must not slow the questions down.
func (p *plan) next() (int64, time.Time, bool) {
	ticket := atomic.AddInt64(&p.tickets, 1) - 1
	if p.limit > 0 && ticket >= p.limit {
		return 0, time.Time{}, false
	}
	now := time.Now()
	if p.rate > 0 {
		due := p.begin.Add(time.Duration(float64(ticket) / p.rate * float64(time.Second)))
		if due.After(p.end) {
			return 0, time.Time{}, false
		}
		if now.After(due) {
			return ticket, due, true
		}
		time.Sleep(due.Sub(now))
		now = time.Now()
	}
	return ticket, now, p.limit > 0 || now.Before(p.end)
}

func (p *plan) work(o *outcome) {
	request := append([]byte(nil), p.head...)
	answer := message{body: make([]byte, 0, 64<<10)}
	var connection net.Conn
	var in *bufio.Reader
	defer func() {
		if connection != nil {
			connection.Close()
		}
	}()
	for {
		ticket, started, isOn := p.next()
		if !isOn {
			return
		}
		if connection == nil {
			var err error
			if connection, err = net.DialTimeout("tcp", p.address, 5*time.Second); err != nil {
				connection = nil
				o.fail(err.Error())
				time.Sleep(10 * time.Millisecond)
				continue
			}
			in = bufio.NewReaderSize(connection, 64<<10)
		}
		writeDigits(request[p.userAt:p.userAt+6], int(ticket)%p.users)
		if problem := ask(connection, in, request, &answer); problem != "" {
			o.fail(problem)
			answer.closes = true
		} else if problem = p.expect.check(&answer, int(ticket)); problem != "" {
			o.fail(problem)
		} else {
			o.latencies = append(o.latencies, milliseconds(time.Since(started)))
			o.firstBytes = append(o.firstBytes, milliseconds(answer.firstByte.Sub(started)))
			o.bytes += int64(len(answer.body))
		}
		if answer.closes {
			connection.Close()
			connection = nil
		}
	}
}

func ask(connection net.Conn, in *bufio.Reader, request []byte, answer *message) string {
	_ = connection.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := connection.Write(request); err != nil {
		return "sending: " + err.Error()
	}
	if err := answer.readHead(in); err != nil {
		return "reading the head of an answer: " + err.Error()
	}
	if err := answer.readBody(in, true); err != nil {
		return "reading an answer: " + err.Error()
	}
	return ""
}

func writeDigits(into []byte, number int) {
	for i := len(into) - 1; i >= 0; i-- {
		into[i] = byte('0' + number%10)
		number /= 10
	}
}

func (o *outcome) fail(problem string) {
	o.bad++
	if o.problem == "" {
		o.problem = problem
	}
}

func milliseconds(d time.Duration) float32 { return float32(d.Nanoseconds()) / 1e6 }

// summarize prints one line of JSON and returns how many answers were bad.
func summarize(outcomes []outcome, took time.Duration) int {
	var all outcome
	for _, o := range outcomes {
		all.latencies = append(all.latencies, o.latencies...)
		all.firstBytes = append(all.firstBytes, o.firstBytes...)
		all.bytes += o.bytes
		all.bad += o.bad
		if all.problem == "" {
			all.problem = o.problem
		}
	}
	seconds := took.Seconds()
	line := map[string]any{
		"answered": len(all.latencies), "bad": all.bad, "problem": all.problem, "seconds": seconds,
		"per_second": float64(len(all.latencies)) / seconds, "bytes": all.bytes,
		"latency_ms": quantiles(all.latencies), "first_byte_ms": quantiles(all.firstBytes),
	}
	_ = json.NewEncoder(os.Stdout).Encode(line)
	return all.bad
}

func quantiles(values []float32) map[string]float32 {
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	out := map[string]float32{}
	for name, share := range map[string]float64{"p50": 0.5, "p95": 0.95, "p99": 0.99} {
		if len(values) > 0 {
			out[name] = values[int(share*float64(len(values)-1)+0.5)]
		}
	}
	return out
}

// preview is the start of a body, for a message.
func preview(body []byte) string {
	if len(body) > 300 {
		body = body[:300]
	}
	return string(bytes.ToValidUTF8(body, []byte("?")))
}
