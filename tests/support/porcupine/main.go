// Judges histories of registers with Porcupine, as a second opinion.
//
// Reads lines of JSON from standard input, each a history: a list of
// {"began", "ended" (null: nobody knows), "f", "value", "expected", "answer", "key"}.
// Writes a line for each: "ok", "illegal" or "unknown".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

type line struct {
	Began    int64  `json:"began"`
	Ended    *int64 `json:"ended"`
	F        string `json:"f"`
	Value    *int   `json:"value"`
	Expected *int   `json:"expected"`
	Answer   *int   `json:"answer"`
	Key      string `json:"key"`
}

// never is later than every time of a history.
const never = int64(1) << 62

// unset is the value of a register that was never written.
const unset = -1

func value(number *int) int {
	if number == nil {
		return unset
	}
	return *number
}

var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, one := range history {
			key := one.Input.(line).Key
			byKey[key] = append(byKey[key], one)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() interface{} { return unset },
	Step: func(state, input, output interface{}) (bool, interface{}) {
		current, asked := state.(int), input.(line)
		isOpen := asked.Ended == nil
		switch asked.F {
		case "read":
			return isOpen || value(asked.Answer) == current, current
		case "write":
			return true, value(asked.Value)
		default:
			isExpected := current == value(asked.Expected)
			fits := isOpen || (value(asked.Answer) == 1) == isExpected
			if isExpected {
				return fits, value(asked.Value)
			}
			return fits, current
		}
	},
	Equal: func(first, second interface{}) bool { return first == second },
}

func main() {
	reader := bufio.NewScanner(os.Stdin)
	reader.Buffer(make([]byte, 1<<20), 1<<26)
	for reader.Scan() {
		var lines []line
		if err := json.Unmarshal(reader.Bytes(), &lines); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var history []porcupine.Operation
		for number, one := range lines {
			ended := never
			if one.Ended != nil {
				ended = *one.Ended
			}
			history = append(history, porcupine.Operation{
				ClientId: number, Input: one, Call: one.Began, Return: ended,
			})
		}
		switch porcupine.CheckOperationsTimeout(model, history, 20*time.Second) {
		case porcupine.Ok:
			fmt.Println("ok")
		case porcupine.Illegal:
			fmt.Println("illegal")
		default:
			fmt.Println("unknown")
		}
	}
}
