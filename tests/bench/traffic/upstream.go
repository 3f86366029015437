package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// tally is what the upstream was asked; only one core runs it, so a plain lock costs next to nothing.
type tally struct {
	sync.Mutex
	Chat     int            `json:"chat"`
	Streams  int            `json:"streams"`
	Logprobs int            `json:"logprobs"`
	Usage    int            `json:"usage"`
	Models   map[string]int `json:"models"`
	Other    map[string]int `json:"other"`
}

type upstream struct {
	script     *script
	model      string
	least      int // alternatives a token, also when fewer were asked for
	first, gap time.Duration
	seen       tally
}

func runUpstream(args []string) {
	flags := flag.NewFlagSet("upstream", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:9101", "address to listen on")
	tokens := flags.Int("tokens", 32, "tokens of an answer, and content events of a stream")
	first := flags.Duration("first", 0, "time to the first token")
	gap := flags.Duration("gap", 0, "time between the tokens of a stream")
	model := flags.String("model", "bench", "the model's name")
	exact := flags.Bool("exact", false, "log-probabilities as vLLM sends them: bytes, and as many alternatives as asked for")
	_ = flags.Parse(args)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		fmt.Fprintf(os.Stderr, "upstream: cannot listen on %s: %v\n", *address, err)
		os.Exit(1)
	}
	u := &upstream{script: newScript(*model, *tokens, *exact), model: *model, first: *first, gap: *gap}
	if !*exact {
		u.least = 2
	}
	u.seen.Models, u.seen.Other = map[string]int{}, map[string]int{}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintf(os.Stderr, "upstream: %v\n", err)
			os.Exit(1)
		}
		go u.serve(connection)
	}
}

func (u *upstream) serve(connection net.Conn) {
	defer connection.Close()
	in := bufio.NewReaderSize(connection, 32<<10)
	var request message
	for {
		if request.readHead(in) != nil {
			return
		}
		if request.expects {
			if _, err := connection.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
				return
			}
		}
		if request.readBody(in, false) != nil {
			return
		}
		if u.answer(connection, &request) != nil || request.closes {
			return
		}
	}
}

func (u *upstream) answer(out net.Conn, request *message) error {
	if !strings.HasPrefix(request.start, "POST ") || !strings.Contains(request.start, "/chat/completions ") {
		return u.answerOther(out, request.start)
	}
	stream, logprobs := asks(request.body, "stream"), asks(request.body, "logprobs")
	usage := asks(request.body, "include_usage")
	u.count(request.body, stream, logprobs, usage)
	if u.first > 0 {
		time.Sleep(u.first)
	}
	variant := 0
	if logprobs {
		variant = 1 + u.alternatives(request.body)
	}
	if !stream {
		_, err := out.Write(u.script.whole[variant])
		return err
	}
	return u.stream(out, u.script.events[variant], usage)
}

func (u *upstream) alternatives(body []byte) int {
	asked := 0
	if at := bytes.Index(body, []byte(`"top_logprobs":`)); at >= 0 {
		if digit := bytes.TrimLeft(body[at+15:], " "); len(digit) > 0 && digit[0] >= '0' && digit[0] <= '9' {
			asked = int(digit[0] - '0')
		}
	}
	if asked < u.least {
		return u.least
	}
	if asked > maxAlternatives {
		return maxAlternatives
	}
	return asked
}

// stream writes every content event by itself, as a model that has just found its next token does.
func (u *upstream) stream(out net.Conn, events [][]byte, usage bool) error {
	if _, err := out.Write(u.script.opening); err != nil {
		return err
	}
	for i, event := range events {
		if u.gap > 0 && i > 0 {
			time.Sleep(u.gap)
		}
		if _, err := out.Write(event); err != nil {
			return err
		}
	}
	closing := u.script.closing
	if usage {
		closing = u.script.closingUsage
	}
	_, err := out.Write(closing)
	return err
}

// asks reports whether the body sets a boolean field, written with or without a blank after the colon.
func asks(body []byte, field string) bool {
	at := bytes.Index(body, []byte(`"`+field+`":`))
	return at >= 0 && bytes.HasPrefix(bytes.TrimLeft(body[at+len(field)+3:], " "), []byte("true"))
}

func (u *upstream) count(body []byte, stream, logprobs, usage bool) {
	name := ""
	if at := bytes.Index(body, []byte(`"model":`)); at >= 0 {
		if parts := bytes.SplitN(body[at+8:], []byte(`"`), 3); len(parts) == 3 {
			name = string(parts[1])
		}
	}
	u.seen.Lock()
	defer u.seen.Unlock()
	u.seen.Chat++
	u.seen.Models[name]++
	u.seen.Streams += one(stream)
	u.seen.Logprobs += one(logprobs)
	u.seen.Usage += one(usage)
}

func one(isSet bool) int {
	if isSet {
		return 1
	}
	return 0
}

// answerOther serves what gateways ask of a model server before they trust it, and the counter.
func (u *upstream) answerOther(out net.Conn, start string) error {
	path := "/"
	if words := strings.Fields(start); len(words) > 1 {
		path = strings.SplitN(words[1], "?", 2)[0]
	}
	if path == "/count" {
		u.seen.Lock()
		body, _ := json.Marshal(&u.seen)
		u.seen.Unlock()
		_, err := out.Write(wholeResponse(string(body)))
		return err
	}
	u.seen.Lock()
	u.seen.Other[path]++
	u.seen.Unlock()
	body, isKnown := map[string]string{
		"/health":  `{}`,
		"/version": `{"version":"0.32.0"}`,
		"/server_info": fmt.Sprintf(`{"model_path":%q,"model_id":%q,"served_model_name":%q,"version":"0.32.0"}`,
			u.model, u.model, u.model),
		"/v1/models": fmt.Sprintf(`{"object":"list","data":[{"id":%q,"object":"model","created":%d,`+
			`"owned_by":"vllm","root":%q,"max_model_len":8192}]}`, u.model, createdAt, u.model),
	}[path]
	if !isKnown {
		_, err := out.Write([]byte("HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"))
		return err
	}
	_, err := out.Write(wholeResponse(body))
	return err
}
