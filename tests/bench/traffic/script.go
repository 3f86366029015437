package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

const (
	promptTokens    = 96
	maxAlternatives = 5
	answerID        = "chatcmpl-0199f3a2b7c47d0e8a51"
	createdAt       = 1793500000
)

var vocabulary = strings.Fields(
	"your parcel left our depot this morning and should reach you within two working days unless customs " +
		"holds it back for a check in which case we will write again")

// script is the one answer of the upstream, as bytes ready for the socket. Variant 0 has no log-probabilities,
// variant 1+n has them with n alternatives a token.
type script struct {
	whole        [2 + maxAlternatives][]byte
	events       [2 + maxAlternatives][][]byte // one content event each
	opening      []byte                        // headers of a stream and its role-only event
	closing      []byte                        // finish event and [DONE]
	closingUsage []byte                        // the same with a usage event between them
}

func token(i int) string { return " " + vocabulary[i%len(vocabulary)] }

func answerText(tokens int) string {
	var text strings.Builder
	for i := 0; i < tokens; i++ {
		text.WriteString(token(i))
	}
	return text.String()
}

// entry is one token's log-probability with its alternatives, the token itself being the first of them.
func entry(i, alternatives int, withBytes bool) string {
	surprise := 0.004 + 0.11*float64(i%5)
	candidates := make([]string, alternatives)
	for n := range candidates {
		text := token(i)
		if n > 0 {
			text = token(i + 7*n)
		}
		candidates[n] = fmt.Sprintf(`{"token":%q,"logprob":%.4f,"bytes":%s}`, text, -surprise-2.5*float64(n),
			byteList(text, withBytes))
	}
	return fmt.Sprintf(`{"token":%q,"logprob":%.4f,"bytes":%s,"top_logprobs":[%s]}`, token(i), -surprise,
		byteList(token(i), withBytes), strings.Join(candidates, ","))
}

func byteList(text string, isWanted bool) string {
	if !isWanted {
		return "null"
	}
	codes := make([]string, len(text))
	for i := range codes {
		codes[i] = strconv.Itoa(int(text[i]))
	}
	return "[" + strings.Join(codes, ",") + "]"
}

func newScript(model string, tokens int, withBytes bool) *script {
	s := &script{}
	usage := fmt.Sprintf(`{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}`,
		promptTokens, promptTokens+tokens, tokens)
	event := func(choices, rest string) string {
		return chunked(fmt.Sprintf("data: {\"id\":%q,\"object\":\"chat.completion.chunk\",\"created\":%d,\"model\":%q,"+
			"\"choices\":[%s]%s}\n\n", answerID, createdAt, model, choices, rest))
	}
	quoted, _ := json.Marshal(answerText(tokens))
	for variant := range s.whole {
		entries := make([]string, tokens)
		for i := range entries {
			word, _ := json.Marshal(token(i))
			logprobs := "null"
			if variant > 0 {
				entries[i] = entry(i, variant-1, withBytes)
				logprobs = `{"content":[` + entries[i] + `]}`
			}
			s.events[variant] = append(s.events[variant], []byte(event(fmt.Sprintf(
				`{"index":0,"delta":{"content":%s},"logprobs":%s,"finish_reason":null}`, word, logprobs), "")))
		}
		logprobs := "null"
		if variant > 0 {
			logprobs = `{"content":[` + strings.Join(entries, ",") + `]}`
		}
		s.whole[variant] = wholeResponse(fmt.Sprintf(`{"id":%q,"object":"chat.completion","created":%d,"model":%q,`+
			`"choices":[{"index":0,"message":{"role":"assistant","content":%s},"logprobs":%s,"finish_reason":"stop"}],`+
			`"usage":%s}`, answerID, createdAt, model, quoted, logprobs, usage))
	}
	s.opening = []byte("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n" +
		"transfer-encoding: chunked\r\n\r\n" +
		event(`{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}`, ""))
	finish := event(`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","stop_reason":null}`, "")
	end := chunked("data: [DONE]\n\n") + "0\r\n\r\n"
	s.closing = []byte(finish + end)
	s.closingUsage = []byte(finish + event("", `,"usage":`+usage) + end)
	return s
}

func chunked(payload string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(payload), payload) }

func wholeResponse(body string) []byte {
	return []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
		len(body), body))
}
