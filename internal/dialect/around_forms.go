package dialect

import (
	"net/http"
	"strings"

	"github.com/spanway/spanway/internal/jsonscan"
	"github.com/spanway/spanway/internal/llm"
)

// Messages puts turns around the list that is the member called name.
func (a *Around) Messages(name string, form Form, before, after []llm.Turn) {
	a.Each(name, func(v []byte) { a.Items(v, form.Each(before), form.Each(after)) })
}

// InstructText puts instructions around those of the body: the member called name, which is a text or, where block writes one of them, a
// list.
func (a *Around) InstructText(name string, block Form, before, after []llm.Turn) {
	first, last := TextOf(before), TextOf(after)
	whole := jsonscan.AppendString(nil, Paragraphs(first, last))
	a.instruct(name, whole, func(v []byte) {
		if !a.Text(v, first, last) && block != nil {
			a.Items(v, block.Each(before), block.Each(after))
		}
	}, len(before)+len(after))
}

// InstructList puts instructions around those of the body: the member called name, which is a list.
func (a *Around) InstructList(name string, block Form, before, after []llm.Turn) {
	whole := append(join([]byte{'['}, append(block.Each(before), block.Each(after)...)), ']')
	a.instruct(name, whole, func(v []byte) { a.Items(v, block.Each(before), block.Each(after)) }, len(before)+len(after))
}

// instruct edits the members called name, or adds one that is whole.
func (a *Around) instruct(name string, whole []byte, edit func(v []byte), turns int) {
	if turns == 0 {
		return
	}
	n := a.Each(name, func(v []byte) {
		if jsonscan.IsNull(v) {
			a.Replace(v, whole)
			return
		}
		edit(v)
	})
	if n == 0 {
		a.Add(name, whole)
	}
}

// Prompt puts turns, as text, around the member called name: a text, or a list of texts. It fails for a prompt that is tokens, which
// cannot be put around.
func (a *Around) Prompt(name string, before, after []llm.Turn) (err error) {
	first, last := TextOf(before), TextOf(after)
	a.Each(name, func(v []byte) {
		if a.Text(v, first, last) || jsonscan.KindOf(v) != jsonscan.List {
			return
		}
		for it := jsonscan.Array(v); it.Next(); {
			if !a.Text(it.Value(), first, last) {
				e := llm.Errorf(http.StatusBadRequest, "invalid_request_error", "the route puts text around prompts, and this one is no text")
				e.Param = name
				err = e
			}
		}
	})
	return err
}

// Command puts turns around a conversation of Cohere's version 1 (Cohere API reference, v1/chat), which Command R has on other clouds,
// too: instructions are its preamble, what was said before is its chat_history. There is nothing behind its message: what is to follow joins that.
func (a *Around) Command(before, after []llm.Turn) {
	system, said := Instructions(before)
	more, rest := Instructions(after)
	a.InstructText("preamble", nil, system, more)
	turn := Form(func(t llm.Turn) []byte {
		role := "USER"
		if t.Role == string(llm.RoleAssistant) {
			role = "CHATBOT"
		}
		out := jsonscan.AppendString([]byte(`{"role":"`+role+`","message":`), t.Text)
		return append(out, '}')
	})
	a.InstructList("chat_history", turn, said, nil)
	a.Each("message", func(v []byte) { a.Text(v, "", TextOf(rest)) })
}

// Claude puts turns around a conversation of Anthropic's (Claude API reference, Create a Message), which other clouds have, too: its
// instructions are the member system.
func (a *Around) Claude(before, after []llm.Turn) {
	system, said := Instructions(before)
	more, rest := Instructions(after)
	a.InstructText("system", TypedBlock, system, more)
	a.Messages("messages", Message, said, rest)
}

// Human puts turns around a prompt of Anthropic's text completions, which ends with the word for the assistant's turn.
func (a *Around) Human(before, after []llm.Turn) {
	const human, assistant = "\n\nHuman:", "\n\nAssistant:"
	script := func(turns []llm.Turn) (out string) {
		for _, t := range turns {
			switch t.Role {
			case string(llm.RoleUser):
				out += human + " " + t.Text
			case string(llm.RoleAssistant):
				out += assistant + " " + t.Text
			default:
				out += gap + t.Text
			}
		}
		return out
	}
	a.Each("prompt", func(v []byte) {
		if jsonscan.KindOf(v) != jsonscan.Text {
			return
		}
		text, end := jsonscan.String(v), ""
		if i := strings.LastIndex(text, assistant); i >= 0 {
			text, end = text[:i], text[i:]
		}
		first := script(before)
		if len(before) > 0 && strings.HasPrefix(first, gap) && !strings.HasPrefix(first, human) {
			first = first[len(gap):] // instructions stand before the first turn
		}
		a.Replace(v, jsonscan.AppendString(nil, first+text+script(after)+end))
	})
}

// Alternating puts turns around the list of messages of an API that wants the speakers to alternate (Amazon Bedrock API reference,
// Converse): what the same role says joins the first message, or the last. Contents are lists of blocks.
func (a *Around) Alternating(before, after []llm.Turn) {
	a.Each("messages", func(v []byte) {
		if jsonscan.KindOf(v) != jsonscan.List {
			return
		}
		var all [][]byte
		for it := jsonscan.Array(v); it.Next(); {
			all = append(all, it.Value())
		}
		if len(all) == 0 {
			a.Items(v, grouped(append(before[:len(before):len(before)], after...)), nil)
			return
		}
		start, end := len(before), 0 // before[start:] joins the first message, after[:end] the last
		for start > 0 && before[start-1].Role == speaker(all[0]) {
			start--
		}
		for end < len(after) && after[end].Role == speaker(all[len(all)-1]) {
			end++
		}
		if !a.joins(all[0], before[start:], nil) {
			start = len(before)
		}
		if !a.joins(all[len(all)-1], nil, after[:end]) {
			end = 0
		}
		a.Items(v, grouped(before[:start]), grouped(after[end:]))
	})
}

// speaker is the role of a message.
func speaker(m []byte) string { return jsonscan.String(jsonscan.Get(m, "role")) }

// joins puts blocks around the content of m, and reports whether that is a list.
func (a *Around) joins(m []byte, before, after []llm.Turn) bool {
	content := jsonscan.Get(m, "content")
	if jsonscan.KindOf(content) != jsonscan.List {
		return false
	}
	return a.Items(content, Form(Block).Each(before), Form(Block).Each(after))
}

// grouped writes turns as messages, one for as many as follow each other with one role.
func grouped(turns []llm.Turn) (out [][]byte) {
	for len(turns) > 0 {
		n := 1
		for n < len(turns) && turns[n].Role == turns[0].Role {
			n++
		}
		m := jsonscan.AppendString([]byte(`{"role":`), turns[0].Role)
		m = join(append(m, `,"content":[`...), Form(Block).Each(turns[:n]))
		out, turns = append(out, append(m, "]}"...)), turns[n:]
	}
	return out
}
