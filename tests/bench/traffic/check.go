package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Every answer is looked through quickly; one in so many is taken apart.
const thoroughEvery = 64

const askedAlternatives = 2

// expectation is what a right answer looks like.
type expectation struct {
	stream, logprobs, loose bool
	tokens                  int
	text                    string
	quoted                  []byte // the text as it stands in JSON
}

// answerBody has the fields of whole answers and of events that matter here.
type answerBody struct {
	Choices []struct {
		Message, Delta struct{ Content *string }
		Logprobs       *struct {
			Content []struct {
				Alternatives []json.RawMessage `json:"top_logprobs"`
			}
		}
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		CompletionTokens int `json:"completion_tokens"`
	}
}

// assembled is an answer put together from its body or from its events.
type assembled struct {
	text            string
	logprobs        int
	alternatives    int
	finish          string
	completionCount int
}

func newExpectation(stream, logprobs, loose bool, tokens int) *expectation {
	e := &expectation{stream: stream, logprobs: logprobs, loose: loose, tokens: tokens, text: answerText(tokens)}
	e.quoted, _ = json.Marshal(e.text)
	return e
}

// check returns what is wrong with an answer, or nothing.
func (e *expectation) check(answer *message, ticket int) string {
	if len(answer.start) < 12 || answer.start[9:12] != "200" {
		return fmt.Sprintf("%s: %s", answer.start, preview(answer.body))
	}
	body := answer.body
	if e.stream {
		if !bytes.HasSuffix(bytes.TrimRight(body, "\r\n"), []byte("data: [DONE]")) {
			return "a stream did not end with [DONE]; it begins: " + preview(body)
		}
	} else if !bytes.Contains(body, e.quoted) {
		return "the upstream's text is not in an answer: " + preview(body)
	}
	if ticket%thoroughEvery != 0 {
		return ""
	}
	return e.checkThoroughly(body)
}

func (e *expectation) checkThoroughly(body []byte) string {
	got, err := e.assemble(body)
	if err != nil {
		return fmt.Sprintf("an answer is not JSON (%v): %s", err, preview(body))
	}
	want := assembled{text: e.text, finish: "stop", completionCount: e.tokens}
	if e.logprobs {
		want.logprobs, want.alternatives = e.tokens, askedAlternatives*e.tokens
	}
	if e.loose {
		want.logprobs, want.alternatives, want.completionCount = got.logprobs, got.alternatives, got.completionCount
	}
	if *got != want {
		return fmt.Sprintf("an answer was changed on its way: got %+v, want %+v", *got, want)
	}
	return ""
}

func (e *expectation) assemble(body []byte) (*assembled, error) {
	out := &assembled{}
	if !e.stream {
		return out, out.add(body)
	}
	for _, event := range strings.Split(string(body), "\n\n") {
		payload := strings.TrimPrefix(strings.TrimSpace(event), "data: ")
		if payload == "" || payload == "[DONE]" || strings.HasPrefix(payload, ":") {
			continue
		}
		if err := out.add([]byte(payload)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *assembled) add(payload []byte) error {
	var part answerBody
	if err := json.Unmarshal(payload, &part); err != nil {
		return err
	}
	if part.Usage != nil {
		a.completionCount = part.Usage.CompletionTokens
	}
	for _, choice := range part.Choices {
		for _, content := range []*string{choice.Message.Content, choice.Delta.Content} {
			if content != nil {
				a.text += *content
			}
		}
		if choice.Logprobs != nil {
			a.logprobs += len(choice.Logprobs.Content)
			for _, token := range choice.Logprobs.Content {
				a.alternatives += len(token.Alternatives)
			}
		}
		if choice.FinishReason != nil {
			a.finish = *choice.FinishReason
		}
	}
	return nil
}
